/* SPDX-License-Identifier: Apache-2.0 */
#include "runner.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* One process under way. */
struct apart {
    pid_t pid;
    int pipe;      /* what it reports */
    char dir[256]; /* its TMPDIR, with its stderr */
    char *text;    /* what came over the pipe */
    size_t len;
    int status;
    bool is_late;
};

const char *outcome_name(enum outcome outcome)
{
    static const char *const names[] = {"passed", "skipped", "failed", "crashed", "hung"};
    return names[outcome];
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void log_path(const struct apart *apart, char *out, size_t size)
{
    snprintf(out, size, "%s/stderr", apart->dir);
}

/* In the new process. */
static void enter(const struct apart *apart, int pipe)
{
    char path[300];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    setenv("TMPDIR", apart->dir, 1);
    log_path(apart, path, sizeof(path));
    int log = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (log >= 0) {
        dup2(log, STDERR_FILENO);
        dup2(log, STDOUT_FILENO);
        close(log);
    }
    case_report_to(pipe);
}

/* True in the new process. */
static bool fork_apart(struct apart *apart, int *pipe_out)
{
    const char *tmp = getenv("TMPDIR");
    int pipes[2];
    *apart = (struct apart){.pid = -1};
    snprintf(apart->dir, sizeof(apart->dir), "%s/unibus-check-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(apart->dir) == NULL || pipe2(pipes, O_CLOEXEC) != 0) {
        fprintf(stderr, "no folder or pipe below %s: %s\n", apart->dir, strerror(errno));
        exit(2);
    }
    fflush(NULL);
    apart->pid = fork();
    if (apart->pid == 0) {
        close(pipes[0]);
        *pipe_out = pipes[1];
        enter(apart, pipes[1]);
        return true;
    }
    close(pipes[1]);
    apart->pipe = pipes[0];
    return false;
}

/* False at the end of the pipe. */
static bool take_words(struct apart *apart)
{
    char *more = realloc(apart->text, apart->len + 4097);
    ssize_t got = more != NULL ? read(apart->pipe, more + apart->len, 4096) : 0;
    apart->text = more != NULL ? more : apart->text;
    apart->len += got > 0 ? (size_t)got : 0;
    if (more != NULL) {
        more[apart->len] = '\0';
    }
    return got > 0;
}

/* What it says until it ends or is late; children that it left behind end with it. */
static void watch_over(struct apart *apart, int64_t max_ms)
{
    int64_t end_ms = case_now_ms() + max_ms;
    bool is_open = true;
    pid_t ended = 0;
    fcntl(apart->pipe, F_SETFL, O_NONBLOCK);
    while (ended == 0) {
        struct pollfd poller = {.fd = is_open ? apart->pipe : -1, .events = POLLIN};
        if (poll(&poller, 1, is_open ? 20 : 5) > 0) {
            is_open = take_words(apart);
        }
        if (case_now_ms() > end_ms && !apart->is_late) {
            apart->is_late = true;
            kill(-apart->pid, SIGKILL);
            kill(apart->pid, SIGKILL);
        }
        ended = waitpid(apart->pid, &apart->status, WNOHANG);
    }
    kill(-apart->pid, SIGKILL);
    while (take_words(apart)) {
    }
    close(apart->pipe);
}

static void read_log(const struct apart *apart, char *out, size_t size)
{
    char path[300];
    log_path(apart, path, sizeof(path));
    FILE *file = fopen(path, "r");
    out[0] = '\0';
    if (file != NULL) {
        if (fseek(file, -(long)size + 1, SEEK_END) != 0) {
            rewind(file);
        }
        out[fread(out, 1, size - 1, file)] = '\0';
        fclose(file);
    }
}

static void fini_apart(struct apart *apart)
{
    nftw(apart->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(apart->text);
}

static void say_signal(struct result *result, int signal_number)
{
    const char *name = sigabbrev_np(signal_number);
    result->outcome = OUTCOME_CRASHED;
    snprintf(result->words, sizeof(result->words), "crashed with SIG%s", name != NULL ? name : "?");
}

static void judge(const struct apart *apart, int64_t max_ms, struct result *result)
{
    const char *words = apart->text != NULL && apart->len > 0 ? apart->text : "";
    bool is_clean = WIFEXITED(apart->status) && WEXITSTATUS(apart->status) == 0;
    if (apart->is_late) {
        result->outcome = OUTCOME_HUNG;
        snprintf(result->words, sizeof(result->words), "has not ended after %" PRId64 " s",
                 max_ms / 1000);
    } else if (words[0] == 'F') {
        result->outcome = OUTCOME_FAILED;
        snprintf(result->words, sizeof(result->words), "%s", words + 1);
    } else if (WIFSIGNALED(apart->status)) {
        say_signal(result, WTERMSIG(apart->status));
    } else if (!is_clean) {
        result->outcome = OUTCOME_CRASHED;
        snprintf(result->words, sizeof(result->words), "its process ended with exit code %d",
                 WEXITSTATUS(apart->status));
    } else if (words[0] == 'S') {
        result->outcome = OUTCOME_SKIPPED;
        snprintf(result->words, sizeof(result->words), "%s", words + 1);
    }
}

static void finish(struct apart *apart, const struct run_options *options, struct result *result)
{
    int64_t began_ms = case_now_ms();
    watch_over(apart, options->case_max_ms);
    result->took_ms = case_now_ms() - began_ms;
    judge(apart, options->case_max_ms, result);
    read_log(apart, result->log, sizeof(result->log));
}

void run_case(const struct run_options *options, const struct suite *suite,
              const struct check_case *one, struct result *result_out)
{
    struct apart apart;
    int pipe;
    *result_out = (struct result){.suite = suite->name, .one = one};
    if (fork_apart(&apart, &pipe)) {
        static struct subject subject;
        subject_init(&subject, options->subject, one->set);
        suite->run(one, &subject);
        subject_fini(&subject);
        exit(0);
    }
    finish(&apart, options, result_out);
    fini_apart(&apart);
}

bool run_apart(const struct run_options *options,
               void (*fn)(const struct subject_spec *, FILE *out), char **text_out,
               struct result *result_out)
{
    struct apart apart;
    int pipe;
    *result_out = (struct result){.suite = "module"};
    if (fork_apart(&apart, &pipe)) {
        FILE *out = fdopen(pipe, "w");
        if (out == NULL) {
            _exit(1);
        }
        fn(options->subject, out);
        fclose(out);
        exit(0);
    }
    finish(&apart, options, result_out);
    *text_out = apart.text;
    apart.text = NULL;
    fini_apart(&apart);
    return !outcome_is_bad(result_out->outcome);
}
