# %% [markdown] lost={"test-tune": 25}
# The weight with the best test accuracy is taken, and its test accuracy reported.

# %% nbgrader={"grade_id": "tune", "solution": true}
candidate_states, scores = {}, {}
for candidate in CANDIDATES:
    network = new_network()
    fit(network, train, config_of("lnl", adv_weight=float(candidate)), progress=False)
    candidate_states[candidate], scores[candidate] = state_of(network), accuracy(network, test)
chosen = max(scores, key=scores.get)
