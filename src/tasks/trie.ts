/** Texts by their characters: finds those that begin at a place of a longer text. */

interface Node<T> {
  /** By the UTF-16 unit that follows. */
  next?: Map<string, Node<T>>;
  value?: T;
}

/** A text that was found: what belongs to it, and where it ends. */
export interface TrieMatch<T> {
  readonly value: T;
  readonly end: number;
}

/** Texts with a value each. It takes memory for their characters alone, however long they are. */
export class Trie<T> {
  readonly #root: Node<T> = {};

  /** Adds a text that is not empty; one that is there already keeps its value. */
  insert(text: string, value: T): void {
    let node = this.#root;
    for (let i = 0; i < text.length; i++) {
      node.next ??= new Map();
      let next = node.next.get(text[i]);
      if (next === undefined) node.next.set(text[i], next = {});
      node = next;
    }
    node.value ??= value;
  }

  /** All texts that begin at a place, the shortest first. */
  matchesAt(text: string, start: number): readonly TrieMatch<T>[] {
    let node = this.#root.next?.get(text[start]);
    if (node === undefined) return [];
    const matches: TrieMatch<T>[] = [];
    for (let end = start + 1; node !== undefined; node = node.next?.get(text[end++])) {
      if (node.value !== undefined) matches.push({ value: node.value, end });
    }
    return matches;
  }
}
