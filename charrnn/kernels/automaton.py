"""The suffix automaton of a text: built once, it says of any other text how much of it stands in the first.

Blumer et al. 1985, "The smallest automaton recognizing the subwords of a text". A state stands for those substrings
that end at the same places: `length` is that of the longest, the others are suffixes of it, and `link` leads on to the
first suffix that ends elsewhere too. A text of N characters has at most 2 N states and 3 N edges, whatever its
alphabet; which edge leads from a state under a character, a hash table answers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from charrnn.kernels.jit import jit


class Automaton(NamedTuple):
    """A suffix automaton's arrays; -1 stands for none. State 0 is the empty text."""

    length: np.ndarray  # (states,) int32
    link: np.ndarray  # (states,) int32
    edges_of: np.ndarray  # (states,) int32 the edge of a state that was added last
    edge_before: np.ndarray  # (edges,) int32 the one of the same state that was added before
    edge_key: np.ndarray  # (edges,) int64 state * alphabet + character
    target: np.ndarray  # (edges,) int32
    slots: np.ndarray  # (power of two,) int32 hash table of edges
    alphabet: int


def empty_automaton(size: int, alphabet: int) -> Automaton:
    """Return the room that the automaton of a text of `size` characters below `alphabet` takes."""
    states, edges = 2 * size + 2, 3 * size + 3

    def none(count: int, dtype: type = np.int32) -> np.ndarray:
        return np.full(count, -1, dtype)

    return Automaton(none(states), none(states), none(states), none(edges), none(edges, np.int64), none(edges),
                     none(1 << (2 * edges).bit_length()), alphabet)


@jit
def _slot(automaton, key):
    """Return where an edge is in the hash table, or the free slot where it belongs."""
    mask = automaton.slots.size - 1
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    slot = np.int64(mixed >> np.uint64(32)) & mask
    while automaton.slots[slot] >= 0 and automaton.edge_key[automaton.slots[slot]] != key:
        slot = (slot + 1) & mask
    return slot


@jit
def _edge(automaton, state, character):
    """Return the edge from a state under a character, or -1."""
    return automaton.slots[_slot(automaton, np.int64(state) * automaton.alphabet + character)]


@jit
def _add_edge(automaton, edge, state, character, target):
    key = np.int64(state) * automaton.alphabet + character
    automaton.slots[_slot(automaton, key)] = edge
    automaton.edge_key[edge] = key
    automaton.target[edge] = target
    automaton.edge_before[edge] = automaton.edges_of[state]
    automaton.edges_of[state] = edge


@jit
def build(text, automaton, ends):
    """Make an empty automaton that of `text` (N,) int32; (out) `ends` (N,): the state after each character.

    Returns the number of states.
    """
    length, link, target = automaton.length, automaton.link, automaton.target
    length[0] = 0
    states, edges, last = 1, 0, 0
    for i in range(text.size):
        character = text[i]
        new = states
        states += 1
        length[new] = length[last] + 1
        state = last
        while state >= 0 and _edge(automaton, state, character) < 0:
            _add_edge(automaton, edges, state, character, new)
            edges += 1
            state = link[state]
        if state < 0:
            link[new] = 0
        else:
            reached = target[_edge(automaton, state, character)]
            if length[reached] == length[state] + 1:
                link[new] = reached
            else:  # only the shorter substrings of this state end here as well, so they get a state of their own
                copy = states
                states += 1
                length[copy] = length[state] + 1
                link[copy] = link[reached]
                edge = automaton.edges_of[reached]
                while edge >= 0:
                    _add_edge(automaton, edges, copy, automaton.edge_key[edge] % automaton.alphabet, target[edge])
                    edges += 1
                    edge = automaton.edge_before[edge]
                while state >= 0:
                    edge = _edge(automaton, state, character)
                    if edge < 0 or target[edge] != reached:
                        break
                    target[edge] = copy
                    state = link[state]
                link[reached] = copy
                link[new] = copy
        last = new
        ends[i] = new
    return states


@jit
def read(text, automaton, found, state, matched):
    """Follow a further text (N,) int32, -1 for characters that the automaton's text lacks.

    (out) `found` (states,) int32: the length of the longest match so far that ended in each state. Returns where the
    reading stands, for the next piece of text: the state and the length matched; (0, 0) at the start.
    """
    for i in range(text.size):
        character = text[i]
        edge = -1
        if character < 0:
            state, matched = 0, 0
        else:
            edge = _edge(automaton, state, character)
            while edge < 0 and state > 0:
                state = automaton.link[state]
                matched = automaton.length[state]
                edge = _edge(automaton, state, character)
        if edge >= 0:
            state = automaton.target[edge]
            matched += 1
            if matched > found[state]:
                found[state] = matched
    return state, matched


@jit
def spread(automaton, by_length, found):
    """Let every state know what was found of its longest substring's suffixes.

    Parameters
    ----------
    by_length : (states,) the states, shortest first.
    found : (states,) as `read` left it; then (out) the length of the longest suffix of each state's longest substring
        that was read.
    """
    for i in range(by_length.size - 1, 0, -1):
        state = by_length[i]
        if found[state] > 0:  # so all that is shorter was read too
            found[automaton.link[state]] = automaton.length[automaton.link[state]]
    for i in range(1, by_length.size):
        state = by_length[i]
        if found[state] == 0:
            found[state] = found[automaton.link[state]]
