const ITEMS = ["bread", "apple", "cod", "wheat", "book", "white_wool", "iron_ingot", "torch", "emerald"];

export const giveItem = {
  description: "Give something to the one you talk with.",
  schema: () => ({ type: "object", properties: { item: { enum: ITEMS } }, required: ["item"] }),

  async run(villager, { item }, world) {
    const { partner } = villager;
    await villager.body.look(world.where(villager, "partner"));
    await villager.body.give(item, partner);
    return `${villager.name} gives ${partner} one ${item.replaceAll("_", " ")}.`;
  },
};
