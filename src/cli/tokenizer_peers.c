/* Talking to the Python process: requests and answers are lines through two pipes; the text goes over in a memory file,
 * so that generated text and standard input need no temporary file. */
#include "cli/tokenizer_peers.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "tokenizer_peers_script.h"

extern char **environ;

static bn_status write_text(int file, const char *text, size_t size, bn_error *err) {
    for (size_t done = 0; done < size;) {
        ssize_t n = write(file, text + done, size - done);
        if (n < 0) return fail(err, BN_STATUS_IO, "can't hand the text to Python: %s", strerror(errno));
        done += (size_t)n;
    }
    return BN_OK;
}

/* The child keeps the descriptors that aren't close-on-exec: its ends of the pipes as 0 and 1, and the text. */
static bn_status spawn(struct peers *peers, const char *python, const char *path, int text_file, int requests,
                       int answers, bn_error *err) {
    char text_path[32], script[] = {TOKENIZER_PEERS_SCRIPT 0};
    snprintf(text_path, sizeof text_path, "/dev/fd/%d", text_file);
    char *arguments[] = {(char *)python, "-c", script, (char *)path, text_path, NULL};
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions)) return fail_no_memory(err, sizeof actions);
    int code = posix_spawn_file_actions_adddup2(&actions, requests, STDIN_FILENO);
    if (!code) code = posix_spawn_file_actions_adddup2(&actions, answers, STDOUT_FILENO);
    if (!code) code = posix_spawnp(&peers->pid, python, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (!code) return BN_OK;
    peers->pid = 0;
    return fail(err, BN_STATUS_NOT_FOUND, "can't start '%s': %s", python, strerror(code));
}

/* A line of the child as JSON. */
static bn_status read_answer(struct peers *peers, json_t **out, bn_error *err) {
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n = getline(&line, &capacity, peers->answers);
    bn_status status = n < 0 ? fail(err, BN_STATUS_IO, "the Python process for --compare ended early")
                             : json_parse(line, (size_t)n, "answer of the Python process", out, err);
    free(line); /* getline's own memory */
    return status;
}

bn_status peers_start(struct peers *peers, const char *python, const char *path, const char *text, size_t text_bytes,
                      bn_error *err) {
    *peers = (struct peers){0};
    int to_child[2] = {-1, -1}, from_child[2] = {-1, -1}, file = memfd_create("text", 0);
    bn_status status = BN_OK;
    if (file < 0 || pipe2(to_child, O_CLOEXEC) || pipe2(from_child, O_CLOEXEC))
        status = fail(err, BN_STATUS_IO, "can't open a pipe: %s", strerror(errno));
    if (!status) status = write_text(file, text, text_bytes, err);
    if (!status) status = spawn(peers, python, path, file, to_child[0], from_child[1], err);
    if (!status) {
        peers->requests = fdopen(to_child[1], "w");
        peers->answers = fdopen(from_child[0], "r");
        if (peers->requests) to_child[1] = -1;
        if (peers->answers) from_child[0] = -1;
        if (!peers->requests || !peers->answers) status = fail_no_memory(err, BUFSIZ);
    }
    const int rest[] = {file, to_child[0], to_child[1], from_child[0], from_child[1]};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        if (rest[i] >= 0) close(rest[i]);
    return status ? status : read_answer(peers, &peers->found, err);
}

size_t peers_count(const struct peers *peers) {
    return json_array_size(json_object_get(peers->found, "peers"));
}

const json_t *peers_at(const struct peers *peers, size_t index) {
    return json_array_get(json_object_get(peers->found, "peers"), index);
}

bn_status peers_run(struct peers *peers, size_t index, enum peer_shape shape, struct peer_run *out, bn_error *err) {
    fprintf(peers->requests, "%zu %d\n", index, (int)shape);
    fflush(peers->requests);
    json_t *answer;
    bn_status status = read_answer(peers, &answer, err);
    if (status) return status;
    *out = (struct peer_run){.seconds = json_number_value(json_object_get(answer, "seconds")),
                             .n_tokens = (size_t)json_integer_value(json_object_get(answer, "tokens")),
                             .checksum = (uint32_t)json_integer_value(json_object_get(answer, "checksum"))};
    json_decref(answer);
    return BN_OK;
}

void peers_stop(struct peers *peers) {
    if (peers->requests) fclose(peers->requests); /* the child's input ends, and so does it */
    if (peers->answers) fclose(peers->answers);
    if (peers->pid) waitpid(peers->pid, NULL, 0);
    json_decref(peers->found);
    *peers = (struct peers){0};
}
