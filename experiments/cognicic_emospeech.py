"""CogniCIC at EmoSPeech 2024 (document A): what runs without its recordings, and does A2 win?

    python experiments/cognicic_emospeech.py [--runs DIR] [--table]

The recordings of EmoSPeech are given on request and BERT's weights cannot be shipped, so its text
systems without weights run on the real task, and the heads A2 to A5 on the bundled corpus, with
TF-IDF in BERT's place. The document says that its original A2 beat A3 to A6; here A3 to A5 are held
against A2 by paired tests. With recordings and weights:

    cd configs/seeds
    mser compare a2-concat-mlp.yaml a3-self_attention.yaml a4-multihead.yaml a5-mfcc56.yaml
        a5-mfcc256.yaml a6-beto-mlp.yaml --baseline a2-concat-mlp

Cost on 2 cores: 25 minutes. Expected: none of A3 to A5 beats A2.
"""

from document import tell
from systems import COGNICIC

HEADS = [system for system in COGNICIC if system.title.startswith(("A2", "A3", "A4", "A5"))]

if __name__ == "__main__":
    tell(COGNICIC, "a", {"Does the original A2 win on the bundled corpus?": HEADS})
