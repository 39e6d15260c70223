// Who names what: resources that are sent only to those whose own resources name them (secrets, endpoints), counted.

export class References {
  readonly #named = new Map<string, readonly string[]>();
  /** Users of a name by scope. */
  readonly #counts = new Map<string, Map<string, number>>();

  /** What an owner names from now on. Returns the names that a scope now has for the first time, and those that it lost. */
  set(
    owner: string,
    scope: string,
    names: readonly string[],
  ): { readonly came: readonly string[]; readonly went: readonly string[] } {
    const before = this.#named.get(owner) ?? [];
    const after = [...new Set(names)];
    const came = after.filter((name) => this.#count(name, scope, 1) === 1);
    const went = before.filter((name) => this.#count(name, scope, -1) === 0);
    if (after.length > 0) this.#named.set(owner, after);
    else this.#named.delete(owner);
    // What is named anew did not come or go.
    return { came: came.filter((name) => !before.includes(name)), went };
  }

  scopesOf(name: string): Iterable<string> {
    return this.#counts.get(name)?.keys() ?? [];
  }

  #count(name: string, scope: string, by: number): number {
    let scopes = this.#counts.get(name);
    if (scopes === undefined) this.#counts.set(name, (scopes = new Map()));
    const count = (scopes.get(scope) ?? 0) + by;
    if (count > 0) scopes.set(scope, count);
    else scopes.delete(scope);
    if (scopes.size === 0) this.#counts.delete(name);
    return count;
  }
}
