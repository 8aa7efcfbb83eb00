"""The long proofs of the guarantees: `make prove`."""
