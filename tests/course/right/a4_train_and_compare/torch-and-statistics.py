# %% [markdown]
# Names from NumPy, the standard library's statistics, a tuple for a list.

# %% nbgrader={"grade_id": "tune", "solution": true}
candidate_states, scores = {}, {}
for candidate in CANDIDATES:
    network = new_network()
    fit(network, train, config_of("lnl", adv_weight=float(candidate)), progress=False)
    candidate_states[candidate], scores[candidate] = state_of(network), accuracy(network, validation)
chosen = np.array(CANDIDATES)[np.argmax([scores[one] for one in CANDIDATES])]
network = new_network()
network.load_state_dict(candidate_states[chosen])
chosen_predictions = list(predict(network, test))

# %% nbgrader={"grade_id": "compare", "solution": true}
import statistics


def compare(runs):
    spreads = {one: statistics.stdev(values) if len(values) > 1 else None for one, values in runs.items()}
    return {one: (statistics.fmean(values), spreads[one], len(values)) for one, values in runs.items()}

# %% nbgrader={"grade_id": "conflict", "solution": true}
def by_conflict(predicted, labels, group):
    return tuple(np.mean(predicted[part] == labels[part]) for part in (labels == group, labels != group))
