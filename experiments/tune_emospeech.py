"""How far does a search bring words and characters on EmoSPeech 2024, task 1?

    python experiments/tune_emospeech.py [--trials 60] [--workers 2]

TF-IDF and a linear machine (`configs/tune-emospeech.yaml`): which n-grams, how rare, how free the
machine. Every trial is judged on three folds of train that share no video, and no training row
shares one with the test. In the end the winner is tested, once, against the config as it was, on
the same 750 segments by whole videos. Needs the text of EmoSPeech and MEACorpus's table under
MSER_DATA; a quarter of an hour on two cores.
Expected: the winner has .517 macro-F1 on the test, .019 (.003 to .037) over the baseline.
"""

from searching import search

if __name__ == "__main__":
    search("tune-emospeech.yaml", trials=60, pruner="none")
