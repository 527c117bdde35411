"""Deep Feeling, wav2vec 2.0 for Spanish (document B): its conventional baselines, on RAVDESS.

    python experiments/deep_feeling_emovome.py [--runs DIR] [--table]

EMOVOME is lent on request and wav2vec 2.0 has to be fetched, so of its systems B4 runs here: SVM,
GMM and HMM on MFCC and eGeMAPS, on RAVDESS in place of EMOVOME (six speaker-disjoint folds). With
both at hand, B3 is one command:

    cd configs/seeds
    mser compare b3-as-is.yaml b3-tuned.yaml --reference b3-english.yaml --margin .05

Cost on 2 cores: 20 minutes; eGeMAPS needs the extra `egemaps`. Expected: UAR .41 to .46, and no
difference between SVM and GMM that survives the correction by much.
"""

from document import tell
from systems import DEEP_FEELING

if __name__ == "__main__":
    tell(DEEP_FEELING, "b", {"Which of the conventional baselines is better?": DEEP_FEELING})
