export const lookAt = {
  description: "Turn to the one you talk with, or to a place.",
  schema: (places) => ({ type: "object", properties: { at: { enum: ["partner", ...places] } }, required: ["at"] }),

  async run(villager, { at }, world) {
    await villager.body.look(world.where(villager, at));
    return `${villager.name} looks at ${world.called(villager, at)}.`;
  },
};
