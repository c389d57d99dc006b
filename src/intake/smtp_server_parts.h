/*
 * smtp_server_parts.h - what the files of the server machine share, and nobody else
 *
 * Job:      saying a line, refusing, ending; the message under way; running one command.
 */
#ifndef PP_INTAKE_SMTP_SERVER_PARTS_H
#define PP_INTAKE_SMTP_SERVER_PARTS_H

#include "intake/smtp_server.h"

/* ---- smtp_server.c ---- */
/* Room was there before anything was taken in. Without, as for a peer that reads nothing, only our
 * last words are lost. */
void pp_server_put_line(struct pp_buf *out, struct pp_text line);
void pp_server_say(struct pp_buf *out, const char *line_z);
/* A command that was wrong, whatever else is right. */
void pp_server_refuse(struct pp_smtp_server *s, struct pp_buf *out, const char *reply_z,
                      pp_time_ms now_ms);
/* PREFIX, our name, SUFFIX. */
void pp_server_say_hello(struct pp_smtp_server *s, struct pp_buf *out, const char *prefix_z,
                         const char *suffix_z);
/* The client did something: it is not idle. */
void pp_server_touch(struct pp_smtp_server *s, pp_time_ms now_ms);

/* ---- smtp_content.c ---- */
/* All that is known of the message under way. */
void pp_server_forget(struct pp_smtp_server *s);
/* Back to no message; the owner is told when it knows of one. */
void pp_server_reset(struct pp_smtp_server *s);
/* DATA or the first BDAT was said: content follows. */
void pp_server_begin_content(struct pp_smtp_server *s, bool chunks, pp_time_ms now_ms);
/* Take what is there of DATA, or of one BDAT; its end is answered here when it was refused. False
 * when there is nothing to take. */
bool pp_server_take_content(struct pp_smtp_server *s, struct pp_buf *in, struct pp_buf *out,
                            pp_time_ms now_ms);
bool pp_server_take_chunk(struct pp_smtp_server *s, struct pp_buf *in, struct pp_buf *out,
                          pp_time_ms now_ms);

/* ---- smtp_commands.c ---- */
/* One line without its line end; it may be changed. */
void pp_server_run_line(struct pp_smtp_server *s, char *line, size_t len, struct pp_buf *out,
                        pp_time_ms now_ms);

#endif
