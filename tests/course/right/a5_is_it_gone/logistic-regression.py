# %% [markdown]
# scikit-learn's split and regression, a legacy generator, a loop over cells.

# %% nbgrader={"grade_id": "probe", "solution": true}
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split


def probe_accuracy(z, bias, seed):
    fit, held, known, asked = train_test_split(z, bias, test_size=0.5, random_state=seed)
    return LogisticRegression(max_iter=1000).fit(fit, known).score(held, asked)

# %% nbgrader={"grade_id": "control", "solution": true}
def control_accuracy(z, bias, seed):
    shuffled = bias.copy()
    np.random.RandomState(seed).shuffle(shuffled)
    return probe_accuracy(z, shuffled, seed)

# %% nbgrader={"grade_id": "cell", "solution": true}
def worst_cell(predicted, labels, group):
    worst = 1.0
    for label, kind in set(zip(labels.tolist(), group.tolist(), strict=True)):
        part = (labels == label) & (group == kind)
        worst = min(worst, float((predicted[part] == label).mean()))
    return worst
