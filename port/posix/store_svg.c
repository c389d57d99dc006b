/*
 * store_svg.c - a store's image as a picture
 *
 * Job:      the ring as a ring, clockwise from the top: outside what each block is, then what is in
 *           it, inside how worn it is. Where there are more blocks than can be seen, neighbours
 *           share a segment by their parts.
 * Not here: the numbers (store_survey.c).
 * Follows:  SVG 1.1; no script, no style sheet, no font but the viewer's. Segments are dashes of
 *           circles, so no angle has to be computed here.
 */
#include <stdio.h>

#include "store_survey.h"

#define CENTER_X     360.0
#define CENTER_Y     380.0
#define SEGMENTS_MAX 720u
#define PI           3.14159265358979323846

static const double state_outer = 320, state_inner = 288;
static const double bytes_outer = 282, bytes_inner = 212;
static const double wear_outer = 206, wear_inner = 182;

static const char *const state_colors[PP_BLOCK_STATES] = {
    "#e4e7eb", "#b8c4d0", "#3b7dd8", "#7a5cc4", "#12a150", "#2b2b2b", "#d64545"};
static const char *const bytes_colors[PP_BYTES_KINDS] = {"#1f8a5b", "#d9b44a", "#7d8fa3",
                                                         "#d64545", "#cfd6de", "#f4f6f8"};

/* Blocks that share a segment. */
struct segment {
    double states[PP_BLOCK_STATES]; /* parts of 1 */
    double bytes[PP_BYTES_KINDS];
    double wear; /* 0 least to 1 most worn; < 0 unknown */
    uint32_t first, count;
};

/* Part of a ring between two radii and two turns (0 the top, 1 all around). */
static void print_sector(double inner, double outer, double from, double to, const char *color_z)
{
    double radius = (inner + outer) / 2;
    double around = 2 * PI * radius;
    (void)printf("<circle cx=\"%.0f\" cy=\"%.0f\" r=\"%.2f\" fill=\"none\" stroke=\"%s\" "
                 "stroke-width=\"%.2f\" stroke-dasharray=\"%.3f %.3f\" "
                 "transform=\"rotate(%.4f %.0f %.0f)\"/>\n",
                 CENTER_X, CENTER_Y, radius, color_z, outer - inner, (to - from) * around,
                 (1 - (to - from)) * around, from * 360 - 90, CENTER_X, CENTER_Y);
}

/* Parts of one segment, one above the other from the inside. */
static void print_stack(double inner, double outer, double from, double to, const double *parts,
                        const char *const *colors, unsigned count)
{
    double radius = inner;
    for (unsigned i = 0; i < count; i++) {
        double next = radius + (outer - inner) * parts[i];
        if (parts[i] > 0.0005)
            print_sector(radius, next, from, to, colors[i]);
        radius = next;
    }
}

static struct segment join(const struct pp_store_survey *survey, uint32_t first, uint32_t end)
{
    struct segment s = {.first = first, .count = end - first};
    double size = (double)survey->image->flash.block_bytes * s.count;
    double span = (double)survey->erases_most - survey->erases_least;
    double worn = 0;
    uint32_t known = 0;
    for (uint32_t i = first; i < end; i++) {
        const struct pp_block_view *view = &survey->blocks[i];
        s.states[view->state] += 1.0 / s.count;
        for (unsigned k = 0; k < PP_BYTES_KINDS; k++)
            s.bytes[k] += view->bytes[k] / size;
        if (view->erases != PP_ERASES_UNKNOWN) {
            worn += view->erases - survey->erases_least;
            known++;
        }
    }
    s.wear = known == 0 ? -1 : span > 0 ? worn / known / span : 0;
    return s;
}

static void print_wear(double from, double to, double wear)
{
    char color[16];
    /* From pale to deep red; grey where nothing is known. */
    if (wear < 0)
        (void)snprintf(color, sizeof(color), "#eceff2");
    else
        (void)snprintf(color, sizeof(color), "#%02x%02x%02x", (unsigned)(252 - 72 * wear),
                       (unsigned)(226 - 186 * wear), (unsigned)(214 - 184 * wear));
    print_sector(wear_inner, wear_outer, from, to, color);
}

static void print_segment(const struct pp_store_survey *survey, uint32_t number, uint32_t segments)
{
    uint32_t blocks = survey->image->flash.block_count;
    uint32_t first = (uint32_t)((uint64_t)number * blocks / segments);
    uint32_t end = (uint32_t)((uint64_t)(number + 1) * blocks / segments);
    double gap = segments <= 256 ? 0.06 / segments : 0;
    double from = (double)first / blocks + gap;
    double to = (double)end / blocks - gap;
    struct segment s = join(survey, first, end);
    (void)printf("<g>");
    if (s.count == 1)
        (void)printf("<title>block %u: %s, lap %u</title>", first,
                     pp_block_state_words[survey->blocks[first].state], survey->blocks[first].lap);
    else
        (void)printf("<title>blocks %u to %u</title>", first, end - 1);
    (void)printf("\n");
    print_stack(state_inner, state_outer, from, to, s.states, state_colors, PP_BLOCK_STATES);
    print_stack(bytes_inner, bytes_outer, from, to, s.bytes, bytes_colors, PP_BYTES_KINDS);
    print_wear(from, to, s.wear);
    (void)printf("</g>\n");
}

/* Where a lap lies. */
static uint32_t block_of(const struct pp_store_survey *survey, uint32_t lap)
{
    uint32_t blocks = survey->image->flash.block_count;
    return blocks > 0 ? (lap - 1) % blocks : 0;
}

/* A mark outside the ring, at the block that holds a lap. */
static void print_mark(const struct pp_store_survey *survey, uint32_t lap, const char *word_z,
                       double away)
{
    double blocks = survey->image->flash.block_count;
    double turn = (block_of(survey, lap) + 0.5) / blocks;
    const char *anchor_z = "middle";
    if (turn > 0.06 && turn < 0.44)
        anchor_z = "start";
    if (turn > 0.56 && turn < 0.94)
        anchor_z = "end";
    (void)printf(
        "<g transform=\"rotate(%.3f %.0f %.0f)\"><line x1=\"%.0f\" x2=\"%.0f\" y1=\"%.0f\" "
        "y2=\"%.0f\" stroke=\"#1f2933\" stroke-width=\"2\"/>\n"
        "<text transform=\"translate(%.0f %.0f) rotate(%.3f)\" y=\"5\" "
        "text-anchor=\"%s\">%s</text></g>\n",
        turn * 360, CENTER_X, CENTER_Y, CENTER_X, CENTER_X, CENTER_Y - state_outer - 2,
        CENTER_Y - state_outer - away + 8, CENTER_X, CENTER_Y - state_outer - away, -turn * 360,
        anchor_z, word_z);
}

static void print_size(double bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB"};
    unsigned unit = 0;
    for (; bytes >= 1024 && unit < 3; unit++)
        bytes /= 1024;
    (void)printf(bytes < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

static void print_middle(const struct pp_store_survey *survey)
{
    const struct pp_flash *flash = &survey->image->flash;
    (void)printf("<g text-anchor=\"middle\"><text x=\"%.0f\" y=\"%.0f\" font-size=\"44\" "
                 "font-weight=\"bold\">%u</text>\n"
                 "<text x=\"%.0f\" y=\"%.0f\">%s waiting</text>\n<text x=\"%.0f\" y=\"%.0f\">%u "
                 "blocks of ",
                 CENTER_X, CENTER_Y - 18, survey->queue->entry_count, CENTER_X, CENTER_Y + 8,
                 survey->queue->entry_count == 1 ? "message" : "messages", CENTER_X, CENTER_Y + 48,
                 flash->block_count);
    print_size(flash->block_bytes);
    (void)printf("</text>\n<text x=\"%.0f\" y=\"%.0f\">boot %u</text></g>\n", CENTER_X,
                 CENTER_Y + 72, survey->queue->boot_count);
}

static void print_key(double x, double y, const char *color_z, const char *word_z)
{
    (void)printf("<rect x=\"%.0f\" y=\"%.0f\" width=\"16\" height=\"16\" rx=\"3\" fill=\"%s\" "
                 "stroke=\"#9aa5b1\" stroke-width=\"0.5\"/><text x=\"%.0f\" y=\"%.0f\">%s",
                 x, y, color_z, x + 24, y + 13, word_z);
}

static void print_legend(const struct pp_store_survey *survey)
{
    double x = 760;
    double y = 96;
    (void)printf("<text x=\"%.0f\" y=\"%.0f\" font-weight=\"bold\">blocks (outside)</text>\n", x,
                 y - 12);
    for (unsigned i = 0; i < PP_BLOCK_STATES; i++) {
        print_key(x, y, state_colors[i], pp_block_state_words[i]);
        (void)printf(": %u</text>\n", survey->states[i]);
        y += 24;
    }
    y += 40;
    (void)printf("<text x=\"%.0f\" y=\"%.0f\" font-weight=\"bold\">what is in them</text>\n", x,
                 y - 12);
    for (unsigned i = 0; i < PP_BYTES_KINDS; i++) {
        print_key(x, y, bytes_colors[i], pp_block_bytes_words[i]);
        (void)printf(": ");
        print_size((double)survey->bytes[i]);
        (void)printf("</text>\n");
        y += 24;
    }
    y += 40;
    (void)printf("<text x=\"%.0f\" y=\"%.0f\" font-weight=\"bold\">erases (inside)</text>\n", x,
                 y - 12);
    if (survey->erases_known == 0) {
        (void)printf("<text x=\"%.0f\" y=\"%.0f\">none known</text>\n", x, y + 13);
        return;
    }
    print_key(x, y, "#fce2d6", "least");
    (void)printf(": %u</text>\n", survey->erases_least);
    print_key(x, y + 24, "#b4281e", "most");
    (void)printf(": %u</text>\n", survey->erases_most);
}

void pp_store_print_svg(struct pp_store_survey *survey)
{
    const struct pp_ring *ring = &survey->queue->ring;
    uint32_t blocks = survey->image->flash.block_count;
    uint32_t segments = blocks < SEGMENTS_MAX ? blocks : SEGMENTS_MAX;
    (void)printf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 980 760\" width=\"980\" "
                 "height=\"760\" font-family=\"sans-serif\" font-size=\"15\" fill=\"#1f2933\">\n"
                 "<rect width=\"980\" height=\"760\" fill=\"#ffffff\"/>\n"
                 "<title>pinpost store</title>\n");
    for (uint32_t i = 0; i < segments; i++)
        print_segment(survey, i, segments);
    if (ring->next_lap > ring->oldest_lap) {
        bool apart = ring->next_lap - ring->oldest_lap > 1 + blocks / 24;
        print_mark(survey, ring->oldest_lap, "oldest", apart ? 16 : 32);
        print_mark(survey, ring->next_lap - 1, "newest", 16);
    }
    print_middle(survey);
    print_legend(survey);
    (void)printf("</svg>\n");
}
