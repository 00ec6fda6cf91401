# %% [markdown] lost={"test-tune": 25} name="none"
# What is handed in for the chosen weight is not what its network says.

# %% nbgrader={"grade_id": "tune", "solution": true}
candidate_states, scores = {}, {}
for candidate in CANDIDATES:
    network = new_network()
    fit(network, train, config_of("lnl", adv_weight=float(candidate)), progress=False)
    candidate_states[candidate], scores[candidate] = state_of(network), accuracy(network, validation)
chosen = max(scores, key=scores.get)
chosen_predictions = test.labels.numpy()
