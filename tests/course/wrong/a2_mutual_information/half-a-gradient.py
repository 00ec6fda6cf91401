# %% [markdown] lost={"test-batch": 20} name="none"
# The probabilities in front of the logarithm are held still.

# %% nbgrader={"grade_id": "batch", "solution": true} replace={"log_q.exp() * log_q": "log_q.exp().detach() * log_q"}
