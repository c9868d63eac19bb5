package dev.npcengine;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a server that starts afresh has to be told again: who is in the game, what they can do, what to be told about.
 *
 * <p>It is learnt from the requests that succeeded.
 */
final class Standing {
    private final Map<String, Map<String, Object>> npcs = new LinkedHashMap<>();
    private final Map<String, Map<String, Object>> actions = new LinkedHashMap<>();
    private Map<String, Object> topics;

    /** {@code request} was carried out. */
    void note(Map<String, Object> request) {
        switch (String.valueOf(request.get("type"))) {
            case "npc.spawn" -> npcs.put(String.valueOf(request.get("npc")), request);
            case "npc.despawn", "npc.forget" -> npcs.remove(String.valueOf(request.get("npc")));
            case "actions.register" -> names(request).forEach(name -> actions.put(key(request, name), request));
            case "actions.unregister" -> names(request).forEach(name -> actions.remove(key(request, name)));
            case "subscribe" -> topics = request;
            default -> { }
        }
    }

    /** The persona that {@code npc} was spawned with; empty if it wasn't, by this client. */
    String persona(String npc) {
        return String.valueOf(npcs.getOrDefault(npc, Map.of()).getOrDefault("persona", ""));
    }

    /** The requests that bring a new session to where the last one was. Their ids are used up. */
    List<Map<String, Object>> requests() {
        List<Map<String, Object>> all = new ArrayList<>(npcs.values());
        actions.values().stream().distinct().forEach(all::add);
        if (topics != null) {
            all.add(topics);
        }
        return all;
    }

    private static String key(Map<String, Object> request, String name) {
        return Answers.map(request, "scope") + " " + name;
    }

    private static List<String> names(Map<String, Object> request) {
        List<String> names = new ArrayList<>();
        if (request.get("actions") instanceof List<?> actions) {
            for (Object action : actions) {
                names.add(String.valueOf(action instanceof Map<?, ?> map ? map.get("name") : action));
            }
        }
        return names;
    }
}
