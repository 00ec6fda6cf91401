# %% [markdown] lost={"test-information": 20}
# log K, as if all classes were equally frequent.

# %% nbgrader={"grade_id": "information", "solution": true}
def read_information(log_probabilities, bias):
    return float(np.log(log_probabilities.shape[1]) + log_probabilities[np.arange(len(bias)), bias].mean())
