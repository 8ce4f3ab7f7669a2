/* The same arithmetic in three orders of access, and a chain of loads that each wait for the last.

   memory_access ORDER CHANNELS PIXELS REPEATS
       y[pixel] = sum over channels of w[channel] * x[channel, pixel], a 1 x 1 convolution with one
       output. ORDER: "nchw" (a channel's pixels lie side by side, and the program goes pixel by
       pixel), "nhwc" (a pixel's channels lie side by side, pixel by pixel), or "planes" (nchw, but
       the program goes channel by channel). Prints the seconds of each repeat.
   memory_access chase BYTES STEPS REPEATS
       Follow a random chain through so many bytes. Prints the seconds of each step, a line a repeat.

   Compiled for every processor of its kind, without AVX-512: valgrind does not know it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define LINE 64
#define HUGE_PAGE (2UL << 20)

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *memory(size_t bytes) {
    bytes = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    void *found = aligned_alloc(HUGE_PAGE, bytes);
    if (!found) {
        fprintf(stderr, "%zu bytes of memory could not be had\n", bytes);
        exit(1);
    }
#ifdef MADV_HUGEPAGE
    madvise(found, bytes, MADV_HUGEPAGE); /* or finding the page would cost as much as the line */
#endif
    return found;
}

static void weigh(const char *order, size_t channels, size_t pixels, const float *x, const float *w,
                  float *y) {
    if (!strcmp(order, "nchw")) {
        for (size_t p = 0; p < pixels; p++) {
            float sum = 0;
            for (size_t c = 0; c < channels; c++) sum += w[c] * x[c * pixels + p];
            y[p] = sum;
        }
    } else if (!strcmp(order, "nhwc")) {
        for (size_t p = 0; p < pixels; p++) {
            float sum = 0;
            for (size_t c = 0; c < channels; c++) sum += w[c] * x[p * channels + c];
            y[p] = sum;
        }
    } else {
        memset(y, 0, pixels * sizeof *y);
        for (size_t c = 0; c < channels; c++)
            for (size_t p = 0; p < pixels; p++) y[p] += w[c] * x[c * pixels + p];
    }
}

static int orders(const char *order, size_t channels, size_t pixels, size_t repeats) {
    float *x = memory(channels * pixels * sizeof *x);
    float *w = memory(channels * sizeof *w);
    float *y = memory(pixels * sizeof *y);
    for (size_t i = 0; i < channels * pixels; i++) x[i] = 1;
    for (size_t i = 0; i < channels; i++) w[i] = 2;
    memset(y, 0, pixels * sizeof *y);
    for (size_t r = 0; r < repeats; r++) {
        double start_s = now_s();
        weigh(order, channels, pixels, x, w, y);
        printf("%.9f\n", now_s() - start_s);
        if (y[0] != 2 * (float)channels || y[pixels - 1] != 2 * (float)channels) return 2;
    }
    return 0;
}

static int chase(size_t bytes, size_t steps, size_t repeats) {
    size_t lines = bytes / LINE;
    char *ring = memory(bytes);
    uint32_t *order = memory(lines * sizeof *order);
    for (size_t i = 0; i < lines; i++) order[i] = (uint32_t)i;
    uint64_t random = 88172645463325252ULL; /* xorshift64, Marsaglia 2003 */
    for (size_t i = lines - 1; i > 0; i--) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        size_t j = random % (i + 1);
        uint32_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    for (size_t i = 0; i < lines; i++)
        *(char **)(ring + (size_t)order[i] * LINE) =
            ring + (size_t)order[(i + 1) % lines] * LINE;
    char *place = ring;
    for (size_t r = 0; r < repeats; r++) {
        double start_s = now_s();
        for (size_t s = 0; s < steps; s++) place = *(char **)place;
        printf("%.12f\n", (now_s() - start_s) / (double)steps);
    }
    return place == NULL; /* so that the chain is not optimised away */
}

int main(int count, char **words) {
    if (count == 5 && !strcmp(words[1], "chase"))
        return chase(strtoull(words[2], 0, 10), strtoull(words[3], 0, 10),
                     strtoull(words[4], 0, 10));
    if (count == 5 && (!strcmp(words[1], "nchw") || !strcmp(words[1], "nhwc") ||
                       !strcmp(words[1], "planes")))
        return orders(words[1], strtoull(words[2], 0, 10), strtoull(words[3], 0, 10),
                      strtoull(words[4], 0, 10));
    fprintf(stderr, "expected ORDER CHANNELS PIXELS REPEATS, or chase BYTES STEPS REPEATS\n");
    return 1;
}
