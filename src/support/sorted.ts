// Arrays kept sorted in place, by binary search.

type Compare<T> = (a: T, b: T) => number;

/** The index of the first item that does not come before `item`. */
export function lowerBound<T>(items: readonly T[], item: T, compare: Compare<T>): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(items[middle] as T, item) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Inserts behind the items that compare as equal. Appending in order costs no search. */
export function insertSorted<T>(items: T[], item: T, compare: Compare<T>): void {
  let at = items.length;
  if (at > 0 && compare(items[at - 1] as T, item) > 0) {
    at = lowerBound(items, item, compare);
    while (at < items.length && compare(items[at] as T, item) === 0) at++;
  }
  if (at === items.length) items.push(item);
  else items.splice(at, 0, item);
}

/** Removes the item that is `item` itself, else the first that compares as equal; says whether there was one. */
export function removeSorted<T>(items: T[], item: T, compare: Compare<T>): boolean {
  const first = lowerBound(items, item, compare);
  let at = first;
  while (at < items.length && items[at] !== item && compare(items[at] as T, item) === 0) at++;
  if (items[at] !== item) at = first;
  const found = items[at];
  if (found === undefined || compare(found, item) !== 0) return false;
  items.splice(at, 1);
  return true;
}

/** Plain code-unit order: the same on every machine and in every locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
