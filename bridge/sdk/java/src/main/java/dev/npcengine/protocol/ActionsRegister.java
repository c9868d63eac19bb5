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
public record ActionsRegister(Object id, Scope scope, List<Action> actions) implements ClientMessage {
    public static final String TYPE = "actions.register";

    /** Checks what a library decoded; unknown keys are ignored. Throws IllegalArgumentException that names the path. */
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

    /** As a library can encode it; what is null is left out. */
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
