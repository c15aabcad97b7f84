"""The metrics as a metric of the library `evaluate`: `evaluate.load` takes this folder."""
