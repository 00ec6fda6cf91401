# %% [markdown]
# A cut normal distribution from scipy, the standard library's generator, scikit-learn's information.

# %% nbgrader={"grade_id": "colors", "solution": true}
from scipy.stats import truncnorm


def draw_colors(group, color_var, seed):
    means, sigma = MEAN_COLORS[group], color_var**0.5
    return truncnorm.rvs(-means / sigma, (1 - means) / sigma, loc=means, scale=sigma, random_state=seed).astype(np.float32)

# %% nbgrader={"grade_id": "groups", "solution": true}
import random


def deal_groups(labels, split, seed):
    if split == "train":
        return labels
    generator = random.Random(seed)
    return np.array([generator.randint(0, 9) for _ in labels])

# %% nbgrader={"grade_id": "measure", "solution": true}
from sklearn.metrics import mutual_info_score


def measured(labels, group):
    return float(mutual_info_score(labels, group))


train_information = measured(labels, deal_groups(labels, "train", CLASS_SEED))
test_information = measured(labels, deal_groups(labels, "test", CLASS_SEED))
by_chance = 81 / (2 * len(labels))
