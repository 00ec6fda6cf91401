# %% [markdown] lost={"test-train": 20}
# The network is made before the loop, and its state is not copied: all three entries are the last one.

# %% nbgrader={"grade_id": "train", "solution": true}
states, predictions = {}, {}
network = new_network()
for method in METHODS:
    fit(network, train, config_of(method), progress=False)
    states[method], predictions[method] = network.state_dict(), predict(network, test)
