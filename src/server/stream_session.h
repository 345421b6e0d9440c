/* Sessions of /v1/ws: what outlives a connection. A session has streams (answers that are under way), numbers what they tell,
 * and keeps the last of it. A client that comes back in time is told what it missed; for one that doesn't the streams
 * end. What a client can't read in time stands still.
 *
 * Thread-safe. Nothing here blocks, but for stream_sessions_destroy. */
#ifndef SERVER_STREAM_SESSION_H
#define SERVER_STREAM_SESSION_H

#include "server/answer.h"
#include "server/channel.h"

struct stream_sessions; /* all that a server has */
struct stream_session;

enum {
    STREAM_ID_BYTES = 64,       /* of a client's name for a stream */
    MAX_STREAMS = 64,           /* of a session, at once */
    MAX_GRACE_S = 300,          /* that a session waits for its client */
    MAX_DETACHED = 1024,        /* sessions that wait; the oldest makes room … */
    MAX_DETACHED_OF_CLIENT = 64 /* … and so it does for its own client's */
};
#define STREAM_LOG_BYTES ((size_t)1 << 20) /* kept for telling again, per session */

/* An answer under way. */
struct stream {
    struct stream *next;
    struct stream_session *session; /* held */
    struct answer *answer;          /* owned */
    char id[STREAM_ID_BYTES + 1];
    struct buffer line;
    bool cancelled; /* guarded by the session: by the client */
    bool failed;    /* no memory for what it tells */
};

bn_status stream_sessions_create(struct stream_sessions **out, bn_error *err);
/* Ends all sessions and waits for their streams. */
void stream_sessions_destroy(struct stream_sessions *sessions);

/* A new session on a channel, which is told of it. client: who alone may resume it. NULL without memory or random
 * numbers. To be released. */
struct stream_session *stream_session_open(struct stream_sessions *sessions, const char *client, unsigned grace_s,
                                           struct channel *channel);
/* Goes on with a session on this channel: tells all events behind number `after`, closes the channel it had. NULL with a
 * failure if there is none of that id for this client, or the events are gone. To be released. */
struct stream_session *stream_session_resume(struct stream_sessions *sessions, const char *id, const char *client,
                                             uint64_t after, struct channel *channel, struct failure *failure);
/* Its channel is closed: it waits for its client, or ends if that makes no sense. */
void stream_session_detach(struct stream_session *session, const struct channel *channel);
/* Ends it: its streams are cancelled, nobody can resume it. */
void stream_session_end(struct stream_session *session);
void stream_session_release(struct stream_session *session);

/* Adds a stream whose answer hasn't started; the session is held by it from now on. */
bool stream_session_add(struct stream_session *session, struct stream *stream, struct failure *failure);
/* Is there room for one of this id? */
bool stream_session_may_add(struct stream_session *session, const char *id, struct failure *failure);
/* Tells an event {"type", "id", "seq" rest: rest is the text of further members, each with a comma before it. */
void stream_tell(struct stream *stream, const char *type, const char *rest, size_t size);
/* Tells its last event, takes it off the session and destroys it. */
void stream_end(struct stream *stream, const char *type, const char *rest, size_t size);
/* Was it its client who cancelled it? */
bool stream_is_cancelled(struct stream *stream);
bool stream_session_cancel(struct stream_session *session, const char *id); /* false: there is none */

void stream_session_drained(struct stream_session *session); /* its channel takes more */
/* No more streams; the channel is closed when there are none left. */
void stream_session_drain(struct stream_session *session);

#endif
