/* Walks the trees of a forest for a block of rows. Compiled when an image is built, or once on a laptop: native.py. */

#include <stdint.h>
#include <stdlib.h>

/* An inner node, 4 to a cache line. A child (left, right) below 0 is a leaf: ~child is its row in the distributions. */
typedef struct {
    float threshold;
    int32_t feature, child[2];
} Node;

/* One row on its way down one tree. */
typedef struct {
    int32_t node;
    const float *row;
    int32_t *leaf;
} Walk;

/* The walks that have not begun: tree after tree, so that all rows find a tree's nodes in the cache. */
typedef struct {
    const int32_t *roots;
    const float *inputs;
    int64_t trees, rows, columns, tree, row;
    int32_t *leaf;
} Waiting;

/* So many walks are under way at once: a step waits for memory, and the steps of other walks fill that time. */
enum { UNDER_WAY = 16 };

/* Begins the next walk that has a node to visit; gives 0 when there is none. */
static int begin(Walk *walk, Waiting *waiting) {
    while (waiting->tree < waiting->trees) {
        *walk = (Walk){waiting->roots[waiting->tree], waiting->inputs + waiting->row * waiting->columns, waiting->leaf++};
        if (++waiting->row == waiting->rows) {
            waiting->row = 0;
            waiting->tree++;
        }
        if (walk->node >= 0)
            return 1;
        *walk->leaf = walk->node; /* a tree that is one leaf */
    }
    return 0;
}

static void walk_all(const Node *nodes, Waiting *waiting) {
    Walk walks[UNDER_WAY];
    int count = 0;
    while (count < UNDER_WAY && begin(&walks[count], waiting))
        count++;
    while (count > 0)
        for (int i = 0; i < count; i++) {
            Walk *walk = &walks[i];
            const Node *node = nodes + walk->node;
            /* An index and not a branch, which the processor would guess wrong half of the time. */
            walk->node = node->child[!(walk->row[node->feature] <= node->threshold)];
            if (walk->node < 0) {
                *walk->leaf = walk->node;
                if (!begin(walk, waiting))
                    *walk = walks[--count]; /* that one's step is taken in the next round */
            }
        }
}

/* Gives each row's mean of the leaves that it reaches, added tree after tree as scikit-learn does.
   Returns 0, or -1 when there is no memory. */
int forest_walk(const Node *nodes, const int32_t *roots, int64_t trees, const double *matrix, int64_t rows,
                int64_t columns, const double *distributions, int64_t classes, double *means) {
    float *inputs = malloc(sizeof(float) * (size_t)(rows * columns));
    int32_t *leaves = malloc(sizeof(int32_t) * (size_t)(rows * trees));
    if (!inputs || !leaves) {
        free(inputs);
        free(leaves);
        return -1;
    }
    for (int64_t i = 0; i < rows * columns; i++)
        inputs[i] = (float)matrix[i];
    Waiting waiting = {roots, inputs, trees, rows, columns, 0, 0, leaves};
    walk_all(nodes, &waiting);
    for (int64_t i = 0; i < rows * classes; i++)
        means[i] = 0;
    for (int64_t tree = 0; tree < trees; tree++)
        for (int64_t row = 0; row < rows; row++) {
            const double *distribution = distributions + (int64_t)~leaves[tree * rows + row] * classes;
            for (int64_t label = 0; label < classes; label++)
                means[row * classes + label] += distribution[label];
        }
    for (int64_t i = 0; i < rows * classes; i++)
        means[i] /= (double)trees;
    free(inputs);
    free(leaves);
    return 0;
}
