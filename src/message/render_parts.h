/*
 * render_parts.h - what the two files of the renderer share
 *
 * Job:      states and steps of render.c and render_header.c; for these two files only.
 */
#ifndef PP_MESSAGE_RENDER_PARTS_H
#define PP_MESSAGE_RENDER_PARTS_H

#include "message/render.h"

enum pp_render_state {
    PP_RENDER_IN_ALERT_HEADER,
    PP_RENDER_IN_HEADER,
    PP_RENDER_IN_BODY,
    PP_RENDER_DONE
};

/* Longest line beginning with "--" that may be a boundary: RFC 2046 5.1.1, and blanks behind it. */
#define PP_RENDER_CANDIDATE_MAX 160

/* A From of more than this is not copied to Reply-To: whole. */
#define PP_RENDER_REPLY_TO_MAX 512
/* Addresses of a message that get a domain; the rest stays as it is. */
#define PP_RENDER_COMPLETED_MAX 64

/* ---- render.c ---- */
/* The message cannot be rendered; the first words are kept. */
void pp_render_fail(struct pp_render *r, const char *words_z);
void pp_render_put(struct pp_render *r, const void *bytes, size_t len);
/* A writer into the room of `out`; close puts what was written. */
struct pp_writer pp_render_open_writer(struct pp_render *r);
void pp_render_close_writer(struct pp_render *r, const struct pp_writer *w);
void pp_render_body_byte(struct pp_render *r, uint8_t c);
void pp_render_body_line_end(struct pp_render *r);
/* Is the line from r->line[at] on a boundary? Multiparts that it ends are left. */
bool pp_render_is_delimiter(struct pp_render *r, size_t at, bool *close);
/* Puts it; what follows is a part's header, or text between parts when it was the last. */
void pp_render_pass_delimiter(struct pp_render *r, size_t at, bool close);

/* ---- render_header.c ---- */
void pp_render_header_byte(struct pp_render *r, uint8_t c);
void pp_render_header_line_end(struct pp_render *r);
/* The content ended within a header section, behind a whole line. */
void pp_render_header_end(struct pp_render *r);

#endif
