"""How far does a search bring handcrafted features on RAVDESS, each fold searched by itself?

    python experiments/tune_ravdess.py [--trials 40] [--workers 2] [--set key=value …]

MFCC and prosody under an RBF machine (`configs/tune-ravdess.yaml`): how many coefficients, which
statistics, C and gamma. Nested: in each of EmoBox's six folds a search of its own, judged on three
actor-disjoint folds of the 20 actors that are not tested; then its winner meets the four that are.
So no value was chosen by what it is scored on. Needs RAVDESS under MSER_DATA; five minutes on two
cores.
Expected: .548 UAR, no gain shown over C = 10 and 40 coefficients: +.024 (-.005 to .054).
"""

from searching import search

if __name__ == "__main__":
    search("tune-ravdess.yaml", trials=40, pruner="median")
