/**
 * Whose token it is: the `sub` claim of a JWT, or undefined if it can't be told. Only to keep queues apart; whether the token
 * is genuine, the relay says.
 */
export function subjectOf(token: string): string | undefined {
  try {
    const claims = token.split('.')[1]!.replace(/-/g, '+').replace(/_/g, '/');
    // Each byte as a character, so beyond ASCII it isn't the name as written; but as distinct, and that's enough here.
    const { sub } = JSON.parse(atob(claims));
    return typeof sub === 'string' && sub ? sub : undefined;
  } catch {
    return undefined;
  }
}
