# %% [markdown] lost={"test-entropy": 10, "test-information": 20, "test-numbers": 15}
# log2 from the textbook of another course; what is built on it is in bits as well.

# %% nbgrader={"grade_id": "entropy", "solution": true}
def entropy(p):
    seen = p[p > 0]
    return float(-(seen * np.log2(seen)).sum())


# %% nbgrader={"grade_id": "numbers", "solution": true}
leak = information(joint)
leak_of_head = information(np.stack([joint[:, 0] + joint[:, 1], joint[:, 2]], axis=1))
floor = -2.0  # "four colours are two bits"
