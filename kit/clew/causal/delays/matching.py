"""The heaviest matching of a sparse bipartite graph: each row and each column at most once, none has to be matched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_BATCH = 1500  # rows and columns that are solved together, where no component is larger


def heaviest(row: Ints, column: Ints, weight: Floats) -> Ints:
    """The numbers of the edges of a matching with the largest sum of weights; edges are (row, column), each once.

    Edges that weigh nothing or less are never taken. Exact.
    """
    useful = np.flatnonzero(weight > 0)
    if not useful.size:
        return useful
    rows, i = np.unique(row[useful], return_inverse=True)
    columns, j = np.unique(column[useful], return_inverse=True)
    # Alone with each other: nothing to decide.
    alone = (np.bincount(i)[i] == 1) & (np.bincount(j)[j] == 1)
    taken = [useful[alone]]
    left = np.flatnonzero(~alone)
    if left.size:
        size = len(rows) + len(columns)
        graph = coo_array((np.ones(left.size), (i[left], j[left] + len(rows))), shape=(size, size))
        _, component = connected_components(graph, directed=False)
        of_edge = component[i[left]]
        order = np.argsort(of_edge, kind="stable")
        left, of_edge = left[order], of_edge[order]
        nodes = np.bincount(component, minlength=int(component.max()) + 1)
        starts = np.flatnonzero(np.r_[True, of_edge[1:] != of_edge[:-1]])
        sizes = nodes[of_edge[starts]]
        batch = np.cumsum(sizes) // _BATCH  # components that are neighbours share a batch
        cuts = starts[np.flatnonzero(np.r_[True, batch[1:] != batch[:-1]])]
        taken += [_solve(part, row, column, weight, useful) for part in np.split(left, cuts[1:])]
    return np.concatenate(taken)


def _solve(edges: Ints, row: Ints, column: Ints, weight: Floats, useful: Ints) -> Ints:
    """Of these edges (numbers in ``useful``). Every row and column gets a stand-in that it may be matched with for
    nothing, and stand-ins may be matched with each other: so a full matching exists, as the solver wants."""
    numbers = useful[edges]
    rows, i = np.unique(row[numbers], return_inverse=True)
    columns, j = np.unique(column[numbers], return_inverse=True)
    gain = weight[numbers]
    high = float(gain.max()) + 1.0  # no cost may be 0: the solver takes those for missing edges
    left = np.r_[i, np.arange(len(rows)), len(rows) + np.arange(len(columns)), len(rows) + j]
    right = np.r_[j, len(columns) + np.arange(len(rows)), np.arange(len(columns)), len(columns) + i]
    nothing = np.full(len(rows) + len(columns) + len(numbers), high)
    size = len(rows) + len(columns)
    costs = csr_array((np.r_[high - gain, nothing], (left, right)), shape=(size, size))
    a, b = min_weight_full_bipartite_matching(costs)
    real = (a < len(rows)) & (b < len(columns))
    chosen = a[real] * np.int64(len(columns)) + b[real]
    key = i * np.int64(len(columns)) + j
    found: Ints = numbers[np.isin(key, chosen)]
    return found
