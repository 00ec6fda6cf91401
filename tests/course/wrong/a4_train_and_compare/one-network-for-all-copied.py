# %% [markdown] lost={"test-train": 20} name="one-network-for-all"
# The network is made before the loop, and its state is copied: each method goes on where the one before ended.

# %% nbgrader={"grade_id": "train", "solution": true} replace={"states, predictions = {}, {}\n": "states, predictions = {}, {}\nnetwork = new_network()\n", "network, config = new_network(), config_of(method)": "config = config_of(method)"}
