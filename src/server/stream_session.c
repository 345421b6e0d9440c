/* Lifetimes: a session is held by the store until it ends, by the connection that speaks for it, and by its streams. Locks:
 * the store's may be held when a session's is taken, not the other way round; a channel is sent to under the session's
 * lock, so that events keep their order, and closed without it. */
#include "server/stream_session.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "server/event_log.h"

struct stream_session {
    struct stream_sessions *sessions;
    struct stream_session *next; /* guarded by the store's lock, as is … */
    bool listed;                 /* … whether the store has it */
    atomic_size_t n_holders;
    char id[40];
    char client[64];
    uint64_t grace_ns;
    pthread_mutex_t lock;
    /* Guarded by lock. */
    struct channel *channel; /* NULL: detached */
    uint64_t detached_ns;
    struct event_log log;
    size_t unread; /* bytes of events since it was detached */
    struct stream *streams;
    size_t n_streams;
    bool paused, draining, ended;
    struct buffer line; /* of the event that is being told */
};

struct stream_sessions {
    pthread_t thread; /* ends those whose client doesn't come back */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Guarded by lock. */
    struct stream_session *first; /* newest first */
    size_t n_alive;               /* the listed ones, and those that somebody still holds */
    bool stopping;
};

/* ---- life of a session ---- */

static void hold(struct stream_session *session) {
    atomic_fetch_add(&session->n_holders, 1);
}

void stream_session_release(struct stream_session *session) {
    if (!session || atomic_fetch_sub(&session->n_holders, 1) > 1) return;
    struct stream_sessions *sessions = session->sessions;
    event_log_release(&session->log);
    buffer_release(&session->line);
    pthread_mutex_destroy(&session->lock);
    mem_free(session);
    pthread_mutex_lock(&sessions->lock);
    sessions->n_alive--;
    pthread_cond_broadcast(&sessions->changed);
    pthread_mutex_unlock(&sessions->lock);
}

/* Takes it off the store, whose hold passes to the caller; false: it isn't there any more. */
static bool unlist(struct stream_session *session) {
    struct stream_sessions *sessions = session->sessions;
    pthread_mutex_lock(&sessions->lock);
    bool listed = session->listed;
    struct stream_session **at = &sessions->first;
    while (listed && *at != session) at = &(*at)->next;
    if (listed) *at = session->next;
    session->listed = false;
    pthread_mutex_unlock(&sessions->lock);
    return listed;
}

void stream_session_end(struct stream_session *session) {
    bool listed = unlist(session);
    pthread_mutex_lock(&session->lock);
    session->ended = true;
    for (struct stream *s = session->streams; s; s = s->next) answer_cancel(s->answer);
    pthread_mutex_unlock(&session->lock);
    if (listed) stream_session_release(session);
}

/* ---- pausing; all under the session's lock ---- */

static void set_paused(struct stream_session *session, bool paused) {
    if (session->paused == paused) return;
    session->paused = paused;
    for (struct stream *s = session->streams; s; s = s->next) answer_pause(s->answer, paused);
}

/* Half of the log is for what was on its way when the connection broke. */
static bool keeps_up(const struct stream_session *session) {
    return session->channel ? !channel_is_full(session->channel) : session->unread <= STREAM_LOG_BYTES / 2;
}

/* ---- telling ---- */

static void say_session(struct stream_session *session, bool resumed) {
    struct buffer *line = &session->line;
    buffer_clear(line);
    buffer_printf(line,
                  "{\"type\":\"session\",\"session\":\"%s\",\"resumed\":%s,\"seq\":%llu,\"grace_s\":%llu,\"running\":[",
                  session->id, resumed ? "true" : "false", (unsigned long long)(session->log.next - 1),
                  (unsigned long long)(session->grace_ns / 1000000000));
    for (const struct stream *s = session->streams; s; s = s->next) {
        buffer_append_json_string(line, s->id, strlen(s->id));
        if (s->next) buffer_append_char(line, ',');
    }
    buffer_append_text(line, "]}");
    if (!line->failed) channel_send(session->channel, line->data, line->size);
}

/* Under the session's lock. */
static void tell(struct stream *stream, const char *type, const char *rest, size_t size) {
    struct stream_session *session = stream->session;
    struct buffer *line = &session->line;
    buffer_clear(line);
    buffer_printf(line, "{\"type\":\"%s\",\"id\":", type);
    buffer_append_json_string(line, stream->id, strlen(stream->id));
    buffer_printf(line, ",\"seq\":%llu", (unsigned long long)session->log.next);
    buffer_append(line, rest, size);
    buffer_append_char(line, '}');
    if (line->failed) { /* a number that nobody has: who resumes hears of the gap */
        stream->failed = true;
        answer_cancel(stream->answer);
        buffer_release(line);
    }
    event_log_add(&session->log, line->data ? line->data : "", line->size);
    if (session->channel && line->size)
        channel_send(session->channel, line->data, line->size);
    else
        session->unread += line->size;
    if (!keeps_up(session)) set_paused(session, true);
}

void stream_tell(struct stream *stream, const char *type, const char *rest, size_t size) {
    pthread_mutex_lock(&stream->session->lock);
    tell(stream, type, rest, size);
    pthread_mutex_unlock(&stream->session->lock);
}

/* ---- streams ---- */

static struct stream *find_stream(const struct stream_session *session, const char *id) {
    struct stream *s = session->streams;
    while (s && strcmp(s->id, id) != 0) s = s->next;
    return s;
}

static bool may_add(const struct stream_session *session, const char *id, struct failure *failure) {
    if (session->draining || session->ended) {
        *failure = (struct failure){.status = 503, .code = "shutting_down", .retry_after_s = 1};
        strcpy(failure->message, "The server is shutting down, or the session is over");
        return false;
    }
    if (find_stream(session, id)) {
        refuse(failure, "id", "'%s' is running: names of streams can be used again when they are over", id);
        failure->code = "id_in_use";
        return false;
    }
    if (session->n_streams < MAX_STREAMS) return true;
    *failure = (struct failure){.status = 429, .code = "too_many_streams"};
    snprintf(failure->message, sizeof failure->message, "%d streams of this session are running", MAX_STREAMS);
    return false;
}

bool stream_session_may_add(struct stream_session *session, const char *id, struct failure *failure) {
    pthread_mutex_lock(&session->lock);
    bool ok = may_add(session, id, failure);
    pthread_mutex_unlock(&session->lock);
    return ok;
}

bool stream_session_add(struct stream_session *session, struct stream *stream, struct failure *failure) {
    pthread_mutex_lock(&session->lock);
    bool ok = may_add(session, stream->id, failure);
    if (ok) {
        hold(session);
        stream->session = session;
        stream->next = session->streams;
        session->streams = stream;
        session->n_streams++;
        if (session->paused) answer_pause(stream->answer, true);
    }
    pthread_mutex_unlock(&session->lock);
    return ok;
}

bool stream_session_cancel(struct stream_session *session, const char *id) {
    pthread_mutex_lock(&session->lock);
    struct stream *stream = find_stream(session, id);
    if (stream) {
        stream->cancelled = true;
        answer_cancel(stream->answer);
    }
    pthread_mutex_unlock(&session->lock);
    return stream != NULL;
}

bool stream_is_cancelled(struct stream *stream) {
    pthread_mutex_lock(&stream->session->lock);
    bool cancelled = stream->cancelled;
    pthread_mutex_unlock(&stream->session->lock);
    return cancelled;
}

/* The channel of a session that drains and has nothing left to do, held; else NULL. Under the lock. */
static struct channel *channel_to_close(const struct stream_session *session) {
    struct channel *channel = session->draining && !session->streams ? session->channel : NULL;
    if (channel) channel_hold(channel);
    return channel;
}

static void close_drained(struct channel *channel) {
    if (!channel) return;
    channel_close(channel, 1001, "the server is shutting down");
    channel_drop(channel);
}

void stream_end(struct stream *stream, const char *type, const char *rest, size_t size) {
    struct stream_session *session = stream->session;
    pthread_mutex_lock(&session->lock);
    tell(stream, type, rest, size);
    struct stream **at = &session->streams;
    while (*at != stream) at = &(*at)->next;
    *at = stream->next;
    session->n_streams--;
    struct channel *channel = channel_to_close(session);
    pthread_mutex_unlock(&session->lock);
    close_drained(channel);
    answer_destroy(stream->answer);
    buffer_release(&stream->line);
    mem_free(stream);
    stream_session_release(session);
}

/* ---- the channel ---- */

void stream_session_drained(struct stream_session *session) {
    pthread_mutex_lock(&session->lock);
    if (session->channel) set_paused(session, false);
    pthread_mutex_unlock(&session->lock);
}

void stream_session_drain(struct stream_session *session) {
    pthread_mutex_lock(&session->lock);
    session->draining = true;
    struct channel *channel = channel_to_close(session);
    pthread_mutex_unlock(&session->lock);
    close_drained(channel);
}

struct stream_session *stream_session_open(struct stream_sessions *sessions, const char *client, unsigned grace_s,
                                           struct channel *channel) {
    struct stream_session *session = mem_calloc(1, sizeof *session);
    if (!session || !make_secret_id(session->id, sizeof session->id, "ws_")) {
        mem_free(session);
        return NULL;
    }
    session->sessions = sessions;
    snprintf(session->client, sizeof session->client, "%s", client);
    session->grace_ns = grace_s * UINT64_C(1000000000);
    session->channel = channel;
    atomic_init(&session->n_holders, 2); /* the store and the caller */
    pthread_mutex_init(&session->lock, NULL);
    event_log_init(&session->log, STREAM_LOG_BYTES);
    pthread_mutex_lock(&sessions->lock);
    session->next = sessions->first;
    sessions->first = session;
    session->listed = true;
    sessions->n_alive++;
    pthread_mutex_unlock(&sessions->lock);
    pthread_mutex_lock(&session->lock);
    say_session(session, false);
    pthread_mutex_unlock(&session->lock);
    return session;
}

static struct stream_session *find_session(struct stream_sessions *sessions, const char *id, const char *client) {
    pthread_mutex_lock(&sessions->lock);
    struct stream_session *session = sessions->first;
    while (session && (strcmp(session->id, id) != 0 || strcmp(session->client, client) != 0)) session = session->next;
    if (session) hold(session);
    pthread_mutex_unlock(&sessions->lock);
    return session;
}

static void send_event(void *context, const char *text, size_t size) {
    channel_send(context, text, size);
}

struct stream_session *stream_session_resume(struct stream_sessions *sessions, const char *id, const char *client,
                                             uint64_t after, struct channel *channel, struct failure *failure) {
    struct stream_session *session = find_session(sessions, id, client);
    *failure = (struct failure){.status = 404, .code = "session_not_found"};
    strcpy(failure->message, "There is no such session, or it is over");
    if (!session) return NULL;
    pthread_mutex_lock(&session->lock);
    struct channel *before = session->channel;
    uint64_t first = session->log.first, last = session->log.next - 1;
    bool over = session->ended, ok = !over && event_log_has(&session->log, after);
    if (ok) {
        if (before) channel_hold(before);
        session->channel = channel;
        session->unread = 0;
        say_session(session, true);
        event_log_each(&session->log, after, send_event, channel);
        set_paused(session, !keeps_up(session)); /* if so, `drained` will come */
    }
    pthread_mutex_unlock(&session->lock);
    if (ok && before) {
        channel_close(before, 4409, "the session went on elsewhere");
        channel_drop(before);
    }
    if (ok) return session;
    stream_session_release(session);
    if (over) return NULL;
    *failure = (struct failure){.status = 409, .code = "events_gone"};
    if (after > last)
        snprintf(failure->message, sizeof failure->message, "The last event has number %llu", (unsigned long long)last);
    else
        snprintf(failure->message, sizeof failure->message,
                 "Events %llu to %llu are gone: resume with seq %llu to do without them", (unsigned long long)after + 1,
                 (unsigned long long)first - 1, (unsigned long long)first - 1);
    return NULL;
}

/* The session that has waited longest, of this client or of all (NULL), held, if more than `most` of these wait. */
static struct stream_session *one_too_many(struct stream_sessions *sessions, const char *client, size_t most) {
    struct stream_session *oldest = NULL;
    uint64_t since_ns = UINT64_MAX;
    size_t n = 0;
    pthread_mutex_lock(&sessions->lock);
    for (struct stream_session *s = sessions->first; s; s = s->next) {
        if (client && strcmp(s->client, client) != 0) continue;
        pthread_mutex_lock(&s->lock);
        bool waits = !s->channel;
        uint64_t detached_ns = s->detached_ns;
        pthread_mutex_unlock(&s->lock);
        n += waits;
        if (!waits || detached_ns >= since_ns) continue;
        oldest = s;
        since_ns = detached_ns;
    }
    if (n <= most) oldest = NULL;
    if (oldest) hold(oldest);
    pthread_cond_broadcast(&sessions->changed); /* the thread looks when the next one's time is over */
    pthread_mutex_unlock(&sessions->lock);
    return oldest;
}

static void end_one_too_many(struct stream_sessions *sessions, const char *client, size_t most) {
    struct stream_session *session = one_too_many(sessions, client, most);
    if (!session) return;
    stream_session_end(session);
    stream_session_release(session);
}

void stream_session_detach(struct stream_session *session, const struct channel *channel) {
    pthread_mutex_lock(&session->lock);
    bool own = session->channel == channel, over = false;
    if (own) {
        session->channel = NULL;
        session->detached_ns = clock_now_ns();
        session->unread = 0;
        set_paused(session, false);
        over = session->ended || session->draining || !session->grace_ns || session->log.next == 1;
    }
    pthread_mutex_unlock(&session->lock);
    if (over) stream_session_end(session);
    if (!own || over) return;
    end_one_too_many(session->sessions, session->client, MAX_DETACHED_OF_CLIENT);
    end_one_too_many(session->sessions, NULL, MAX_DETACHED);
}

/* ---- all of them ---- */

/* When the session's wait is over; UINT64_MAX: it has a channel. If that was before now_ns, nobody can resume it any more. */
static uint64_t expiry_of(struct stream_session *session, uint64_t now_ns) {
    pthread_mutex_lock(&session->lock);
    uint64_t at_ns = session->channel ? UINT64_MAX : session->detached_ns + session->grace_ns;
    if (at_ns <= now_ns) session->ended = true;
    pthread_mutex_unlock(&session->lock);
    return at_ns;
}

/* Under the store's lock: a session whose wait is over (all of them when stopping), held; *next_ns: when the next one's is. */
static struct stream_session *find_expired(struct stream_sessions *sessions, uint64_t *next_ns) {
    uint64_t now_ns = clock_now_ns();
    *next_ns = UINT64_MAX;
    for (struct stream_session *s = sessions->first; s; s = s->next) {
        uint64_t at_ns = sessions->stopping ? 0 : expiry_of(s, now_ns);
        if (at_ns <= now_ns) {
            hold(s);
            return s;
        }
        if (at_ns < *next_ns) *next_ns = at_ns;
    }
    return NULL;
}

static void sleep_until(struct stream_sessions *sessions, uint64_t at_ns) {
    const struct timespec at = {(time_t)(at_ns / 1000000000), (long)(at_ns % 1000000000)};
    if (at_ns == UINT64_MAX)
        pthread_cond_wait(&sessions->changed, &sessions->lock);
    else
        pthread_cond_timedwait(&sessions->changed, &sessions->lock, &at);
}

static void *run(void *context) {
    struct stream_sessions *sessions = context;
    uint64_t next_ns;
    pthread_mutex_lock(&sessions->lock);
    while (!sessions->stopping || sessions->n_alive) {
        struct stream_session *expired = find_expired(sessions, &next_ns);
        if (!expired) {
            sleep_until(sessions, next_ns);
            continue;
        }
        pthread_mutex_unlock(&sessions->lock);
        stream_session_end(expired);
        stream_session_release(expired);
        pthread_mutex_lock(&sessions->lock);
    }
    pthread_mutex_unlock(&sessions->lock);
    return NULL;
}

bn_status stream_sessions_create(struct stream_sessions **out, bn_error *err) {
    struct stream_sessions *sessions = mem_calloc(1, sizeof *sessions);
    if (!sessions) return fail_no_memory(err, sizeof *sessions);
    pthread_condattr_t monotonic; /* as clock_now_ns() counts */
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&sessions->lock, NULL);
    pthread_cond_init(&sessions->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&sessions->thread, NULL, run, sessions) == 0) {
        *out = sessions;
        return BN_OK;
    }
    pthread_cond_destroy(&sessions->changed);
    pthread_mutex_destroy(&sessions->lock);
    mem_free(sessions);
    return fail(err, BN_STATUS_NO_MEMORY, "the system refuses another thread");
}

void stream_sessions_destroy(struct stream_sessions *sessions) {
    if (!sessions) return;
    pthread_mutex_lock(&sessions->lock);
    sessions->stopping = true;
    pthread_cond_broadcast(&sessions->changed);
    pthread_mutex_unlock(&sessions->lock);
    pthread_join(sessions->thread, NULL);
    pthread_cond_destroy(&sessions->changed);
    pthread_mutex_destroy(&sessions->lock);
    mem_free(sessions);
}
