# %% [markdown] lost={"test-tune": 25} name="one-network-for-all"
# The same among the candidates.

# %% nbgrader={"grade_id": "tune", "solution": true} replace={"candidate_states, scores = {}, {}\n": "candidate_states, scores = {}, {}\nnetwork = new_network()\n", "    network = new_network()\n    fit(": "    fit("}
