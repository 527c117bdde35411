"""Speech Emotion Recognition (document E): what its systems on MSP-Podcast need, and report.

    python experiments/msp_podcast.py [--runs DIR] [--table]

MSP-Podcast is licensed by its makers and the checkpoints have to be fetched, so nothing runs until
they are there; then each config of `configs/seeds/e*.yaml` does by `mser run`. Its questions about
method run on other data: balancing (E3) by `balancing.py`, voice and words that disagree (E5) by
`disagreement.py`, labels as points in a space (E4) by `label_space.py`, punctuation (E8) by
`punctuation.py`.
"""

from document import tell

if __name__ == "__main__":
    tell((), "e")
