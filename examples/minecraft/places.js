/** Where things are in the village, in blocks: the same for the server, which builds them, and for those who walk. */

/** How far a voice carries. */
export const EARSHOT = 16;

/** The height on which one stands. */
export const GROUND = 5;

export const PLACES = {
  well: { x: 0, z: 0, block: "water" },
  smithy: { x: 8, z: -4, block: "anvil" },
  bakery: { x: -8, z: -4, block: "furnace" },
  library: { x: 40, z: 0, block: "bookshelf" },
  chapel: { x: 46, z: 10, block: "bell" },
  farm: { x: -44, z: 4, block: "hay_block" },
  pasture: { x: -50, z: -6, block: "white_wool" },
  pier: { x: 0, z: 52, block: "barrel" },
  gate: { x: 4, z: -50, block: "cobblestone" },
};

/** Those who live here: `home` is where they stand, `body` whether a player or a villager mob plays them. */
export const VILLAGERS = [
  { npc: "rowan", name: "Rowan", home: "smithy", body: "bot" },
  { npc: "nell", name: "Nell", home: "bakery", body: "bot" },
  { npc: "ivo", name: "Ivo", home: "library", body: "bot" },
  { npc: "odo", name: "Odo", home: "chapel", body: "mob" },
  { npc: "tess", name: "Tess", home: "farm", body: "bot" },
  { npc: "fern", name: "Fern", home: "pasture", body: "bot" },
  { npc: "bryn", name: "Bryn", home: "pier", body: "bot" },
  { npc: "garrick", name: "Garrick", home: "gate", body: "bot" },
];

/** Where one stands at a place: beside its block, not in it. */
export function spot(place) {
  const { x, z } = PLACES[place];
  return { x: x + 1.5, y: GROUND, z: z + 1.5 };
}
