"""Escuchando Emociones (document C): M5 from raw audio of RAVDESS; does trimming make it worse?

    python experiments/escuchando_emociones.py [--runs DIR] [--table]

C1 and C2 on a random split, as in the document, where each actor trains and is tested, and on one
where none does. C3, the pictures of the corpus: `mser describe configs/seeds/c1-m5.yaml`. C4, what
was said and what was heard: `mser report runs/reproduce/c1-m5/*/ --players 50`.

Cost on 2 cores: over two hours for the raw waveform, minutes for MFCC and spectrograms.
"""

from document import tell
from systems import ESCUCHANDO

RANDOM = [system for system in ESCUCHANDO if "random" in system.title]

if __name__ == "__main__":
    tell(ESCUCHANDO, "c", {"Held against the raw waveform, on the random split:": RANDOM})
