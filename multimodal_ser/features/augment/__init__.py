"""What changes training utterances at random, so that a model meets more than was recorded."""
