export const emote = {
  description: "Make a gesture.",
  schema: () => ({
    type: "object",
    properties: { gesture: { enum: ["wave", "nod", "bow", "jump"] } },
    required: ["gesture"],
  }),

  async run(villager, { gesture }) {
    await villager.body.emote(gesture);
    return `${villager.name} ${{ wave: "waves", nod: "nods", bow: "bows", jump: "jumps" }[gesture]}.`;
  },
};
