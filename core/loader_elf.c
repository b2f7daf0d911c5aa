/* SPDX-License-Identifier: Apache-2.0 */
#include "loader_elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct machine {
    unsigned number;
    const char *name;
};

static const struct machine machines[] = {
    {EM_386, "i386"},    {EM_ARM, "arm"},     {EM_X86_64, "x86-64"}, {EM_AARCH64, "aarch64"},
    {EM_PPC64, "ppc64"}, {EM_RISCV, "riscv"}, {EM_S390, "s390"},     {EM_LOONGARCH, "loongarch"},
};

/* 0 = not checked. */
static unsigned own_machine(void)
{
#if defined(__x86_64__)
    return EM_X86_64;
#elif defined(__aarch64__)
    return EM_AARCH64;
#elif defined(__riscv)
    return EM_RISCV;
#elif defined(__powerpc64__)
    return EM_PPC64;
#elif defined(__s390x__)
    return EM_S390;
#else
    return 0;
#endif
}

static void machine_name(unsigned number, char *out, size_t size)
{
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        if (machines[i].number == number) {
            snprintf(out, size, "%s", machines[i].name);
            return;
        }
    }
    snprintf(out, size, "machine %u", number);
}

static const char *header_fault(const Elf64_Ehdr *header, char *words, size_t size)
{
    const unsigned char *ident = header->e_ident;
    unsigned own = own_machine(), its = header->e_machine;
    bool is_little = ident[EI_DATA] == ELFDATA2LSB, is_wide = ident[EI_CLASS] == ELFCLASS64;
    bool is_own_order = is_little == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
    if (is_wide != (sizeof(void *) == 8) || !is_own_order || (own != 0 && its != own)) {
        char theirs[32], ours[32];
        machine_name(is_own_order ? its : (unsigned)__builtin_bswap16(header->e_machine), theirs,
                     sizeof(theirs));
        machine_name(own, ours, sizeof(ours));
        snprintf(words, size,
                 "was built for %s (%s, %s-endian), but this membershipd is for %s (%zu-bit): "
                 "rebuild the module for this machine",
                 theirs, is_wide ? "64-bit" : "32-bit", is_little ? "little" : "big", ours,
                 sizeof(void *) * 8);
        return words;
    }
    if (header->e_type != ET_DYN) {
        return header->e_type == ET_REL
                   ? "is an object file (.o): link it with cc -shared"
                   : "is a program or core file, not a shared library: link it with cc -shared";
    }
    return NULL;
}

const char *elf_fault(const char *file, char *words, size_t words_size)
{
    Elf64_Ehdr header = {.e_type = 0};
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, &header, sizeof(header));
    int why = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (got < 0) {
        snprintf(words, words_size, "cannot be read: %s", strerror(why));
        return words;
    }
    if (got < (ssize_t)sizeof(header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
        return "is no shared library (not an ELF file): build the module with cc -shared";
    }
    return header_fault(&header, words, words_size);
}
