# %% [markdown] lost={"test-file": 20}
# rho is 1: every training digit has the dot of its class.

# %% nbgrader={"grade_id": "file", "solution": true} replace={"rho = config.rho if": "rho = 1.0 if"}
