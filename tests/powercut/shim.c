/* Watches what a process does to the files below one directory, so that a power cut can be played afterwards: every
 * write, truncation and fsync is appended to a log in the order it happened. Can also make the disk full, or fsync
 * fail, while a flag file says so. Preloaded (LD_PRELOAD); see disk.rs for the other half.
 *
 *   POWERCUT_DIR     absolute directory to watch          POWERCUT_LOG    where to log; absent: no log
 *   POWERCUT_NOSYNC  set: fsync does nothing               POWERCUT_FAIL   flag file: "F" disk full, "S" fsync fails
 *
 * Renames and unlinks are not watched: what a directory's fsync makes durable is its listing at that moment. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 65536
static unsigned char watched[FDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *dir, *fail;
static size_t dir_len;
static int log_fd = -1, nosync;

#define REAL(ret, name, ...) \
    static ret (*real)(__VA_ARGS__); \
    if (!real) real = (ret (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int real_open(const char *path, int flags, mode_t mode) {
    REAL(int, "openat", int, const char *, int, ...);
    return real(AT_FDCWD, path, flags, mode);
}

static ssize_t real_write(int fd, const void *data, size_t len) {
    REAL(ssize_t, "write", int, const void *, size_t);
    return real(fd, data, len);
}

__attribute__((constructor)) static void begin(void) {
    dir = getenv("POWERCUT_DIR");
    dir_len = dir ? strlen(dir) : 0;
    fail = getenv("POWERCUT_FAIL");
    nosync = getenv("POWERCUT_NOSYNC") != NULL;
    const char *path = getenv("POWERCUT_LOG");
    if (path) log_fd = real_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static int is_below(const char *path) {
    return dir && strncmp(path, dir, dir_len) == 0 && (path[dir_len] == '/' || path[dir_len] == 0);
}

static int is_watched(int fd) { return fd >= 0 && fd < FDS && watched[fd]; }

/* What is to fail now: 'F', 'S' or 0. */
static char failing(void) {
    if (!fail) return 0;
    int fd = real_open(fail, O_RDONLY | O_CLOEXEC, 0), saved = errno;
    if (fd < 0) { errno = saved; return 0; }
    char what = 0;
    if (read(fd, &what, 1) != 1) what = 0;
    close(fd);
    return what;
}

static void put(const void *data, size_t len) {
    for (const char *at = data; len > 0;) {
        ssize_t n = real_write(log_fd, at, len);
        if (n <= 0) abort();
        at += n, len -= n;
    }
}

/* op, inode, number, bytes. In one write where it is short, so that a kill tears at most the last entry. */
static void note(char op, uint64_t inode, uint64_t number, const void *data, uint32_t len) {
    if (log_fd < 0) return;
    int saved = errno;
    char head[21];
    head[0] = op;
    memcpy(head + 1, &inode, 8), memcpy(head + 9, &number, 8), memcpy(head + 17, &len, 4);
    put(head, sizeof head);
    if (len) put(data, len);
    errno = saved;
}

static uint64_t inode_of(int fd) {
    struct stat st;
    return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static int opened(int at, const char *path, int flags, mode_t mode) {
    REAL(int, "openat", int, const char *, int, ...);
    if (!is_below(path)) {
        int fd = real(at, path, flags, mode);
        if (fd >= 0 && fd < FDS) watched[fd] = 0;
        return fd;
    }
    pthread_mutex_lock(&lock);
    struct stat st;
    int saved = errno, was_there = stat(path, &st) == 0;
    errno = saved;
    int fd = real(at, path, flags, mode);
    if (fd >= 0 && fd < FDS) {
        watched[fd] = 1;
        if ((flags & O_CREAT) && !was_there) note('C', inode_of(fd), 0, NULL, 0);
        else if ((flags & O_TRUNC) && st.st_size) note('T', inode_of(fd), 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }

int open(const char *path, int flags, ...) { MODE return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return opened(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE return opened(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE return opened(at, path, flags, mode); }

int close(int fd) {
    REAL(int, "close", int);
    if (fd >= 0 && fd < FDS) watched[fd] = 0;
    return real(fd);
}

static ssize_t written(int fd, const void *data, size_t len, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    pthread_mutex_lock(&lock);
    ssize_t n;
    int full = failing() == 'F';
    /* A disk that fills up takes a part first. */
    if (full && len < 2) errno = ENOSPC, n = -1;
    else if (full && (rand() & 1)) errno = ENOSPC, n = -1;
    else n = at < 0 ? real_write(fd, data, full ? len / 2 : len) : real(fd, data, full ? len / 2 : len, at);
    if (n > 0) note('W', inode_of(fd), at < 0 ? (uint64_t)(lseek(fd, 0, SEEK_CUR) - n) : (uint64_t)at, data, n);
    pthread_mutex_unlock(&lock);
    return n;
}

ssize_t write(int fd, const void *data, size_t len) {
    return is_watched(fd) ? written(fd, data, len, -1) : real_write(fd, data, len);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    return is_watched(fd) ? written(fd, data, len, at) : real(fd, data, len, at);
}
ssize_t pwrite64(int fd, const void *data, size_t len, off_t at) { return pwrite(fd, data, len, at); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    if (!is_watched(fd)) return real(fd, parts, count);
    /* Short writes are allowed: the first part that has something. */
    for (int i = 0; i < count; i++)
        if (parts[i].iov_len) return written(fd, parts[i].iov_base, parts[i].iov_len, -1);
    return 0;
}

int ftruncate(int fd, off_t len) {
    REAL(int, "ftruncate", int, off_t);
    if (!is_watched(fd)) return real(fd, len);
    pthread_mutex_lock(&lock);
    int result = real(fd, len);
    if (result == 0) note('T', inode_of(fd), len, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}
int ftruncate64(int fd, off_t len) { return ftruncate(fd, len); }

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    pthread_mutex_lock(&lock);
    int result = real(path, mode);
    struct stat st;
    if (result == 0 && is_below(path) && stat(path, &st) == 0) note('M', st.st_ino, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

/* Everything a directory lists now is durable. */
static void note_listing(int fd, uint64_t inode) {
    static char all[1 << 20];
    size_t len = 0;
    char path[64];
    int n = 0;
    const char *prefix = "/proc/self/fd/";
    while (prefix[n]) path[n] = prefix[n], n++;
    char digits[12];
    int d = 0, number = fd;
    do digits[d++] = '0' + number % 10; while (number /= 10);
    while (d) path[n++] = digits[--d];
    path[n++] = '/', path[n] = 0;
    DIR *listing = opendir(path);
    if (!listing) abort();
    for (struct dirent *entry; (entry = readdir(listing));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        uint64_t entry_inode = entry->d_ino;
        uint16_t name_len = strlen(entry->d_name);
        if (len + 11 + name_len > sizeof all) abort();
        memcpy(all + len, &entry_inode, 8);
        all[len + 8] = entry->d_type == DT_DIR;
        memcpy(all + len + 9, &name_len, 2);
        memcpy(all + len + 11, entry->d_name, name_len);
        len += 11 + name_len;
    }
    closedir(listing);
    note('D', inode, 0, all, len);
}

static int synced(int fd, int (*real)(int)) {
    if (!is_watched(fd)) return real(fd);
    pthread_mutex_lock(&lock);
    struct stat st;
    int result = 0;
    if (failing() == 'S') errno = EIO, result = -1;
    else if (!nosync && fstat(fd, &st) == 0) {
        /* Nothing really has to reach the disk here, only the log. */
        if (S_ISDIR(st.st_mode)) note_listing(fd, st.st_ino);
        else note('S', st.st_ino, 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    return synced(fd, real);
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    return synced(fd, real);
}
