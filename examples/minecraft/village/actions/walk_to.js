// Close enough to talk, too far to step on toes or to pick up what is thrown.
const BESIDE = 2.5;

export const walkTo = {
  description: "Walk to the one you talk with, or to a place.",
  schema: (places) => ({ type: "object", properties: { to: { enum: ["partner", ...places] } }, required: ["to"] }),

  async run(villager, { to }, world) {
    const goal = world.where(villager, to);
    await villager.body.walk(to === "partner" ? beside(villager.body.position, goal) : goal);
    return `${villager.name} walks to ${world.called(villager, to)}.`;
  },
};

/** The point on the way from `from` to `to` that is `BESIDE` blocks short of it. */
export function beside(from, to) {
  const distance = Math.hypot(to.x - from.x, to.z - from.z);
  const share = Math.max(0, distance - BESIDE) / (distance || 1);
  return { x: from.x + (to.x - from.x) * share, y: to.y, z: from.z + (to.z - from.z) * share };
}
