// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * NPCs can do these from now on, beside what was registered before. A name that is known is replaced.
 *
 * @param id a string or an integer that the answers carry as 're'
 * @param scope whose they are: {npc}, {persona} or {all: true}
 * @param actions the actions, at least one: {name, description, schema} (at least 1 entry)
 */
public record ActionsRegister(
    Object id,
    Scope scope,
    List<Action> actions) implements ClientMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "actions.register";

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static ActionsRegister fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static ActionsRegister read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new ActionsRegister(
            Wire.required(map, "id", path, Wire::id),
            Wire.required(map, "scope", path, Scope::read),
            Wire.required(map, "actions", path, Wire.list(Action::read)));
    }

    @Override
    public String type() {
        return TYPE;
    }

    @Override
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("type", TYPE);
        map.put("id", id);
        map.put("scope", scope.toMap());
        map.put("actions", Wire.plain(actions, Action::toMap));
        return map;
    }
}
