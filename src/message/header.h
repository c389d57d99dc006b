/*
 * header.h - header fields that we write ourselves
 *
 * Job:      Date, Message-ID, From, To, Subject and the rest, encoded and folded.
 * Not here: which fields a message gets (render.c).
 * Follows:  RFC 5322 3.6, RFC 2047
 */
#ifndef PP_MESSAGE_HEADER_H
#define PP_MESSAGE_HEADER_H

#include "base/text.h"
#include "message/render.h"

#define PP_HEADER_LINE_MAX 76 /* RFC 2047 2 */

/* Each puts one whole field with CRLF at its end. pp_put_message_id() and pp_put_header():
 * render.h. */
void pp_put_date_field(struct pp_writer *w,
                       const struct pp_render_facts *facts); /* none without a clock */
void pp_put_message_id_field(struct pp_writer *w, const struct pp_render_facts *facts);
void pp_put_from_field(struct pp_writer *w, const struct pp_render_facts *facts);
void pp_put_content_type_field(struct pp_writer *w, const struct pp_render_facts *facts);
/* What tells an alert's urgency; nothing for info and notice but the word. */
void pp_put_severity_fields(struct pp_writer *w, const struct pp_render_facts *facts);
/*
 * A piece of the To: list from *pos on, folded where the last piece ended; *pos is facts->to.len
 * after the last one, which ends the field. At most PP_HEADER_PIECE bytes.
 */
#define PP_HEADER_PIECE 512
void pp_put_to_piece(struct pp_writer *w, const struct pp_render_facts *facts, size_t *pos);

#endif
