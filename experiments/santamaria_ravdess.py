"""Emotion Recognition (document D): a BiLSTM baseline and a deep 2-D CNN on RAVDESS.

    python experiments/santamaria_ravdess.py [--runs DIR] [--table]

The document trains on the first 80 % of 2,452 files, songs first, and reports accuracy .26 and .36.
The songs are not in the usual download, and on speech alone the order leaves one actor on both
sides; beside it, EmoBox's fold 1, where no actor is. D3's figures of each class, curves and
confusions stand in each run's report; D4: `mser run … --final`, then `mser predict RUN FILE`.

Cost on 2 cores: an hour. Expected: the deep model does not beat the baseline from so few files.
"""

from document import tell
from systems import SANTAMARIA

ORDERED = [system for system in SANTAMARIA if "ordered" in system.title]

if __name__ == "__main__":
    tell(SANTAMARIA, "d", {"Is the deep model better, in the document's order?": ORDERED})
