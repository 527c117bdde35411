"""How the features of several encoders become one vector; one file each."""
