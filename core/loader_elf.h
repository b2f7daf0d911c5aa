/* SPDX-License-Identifier: Apache-2.0
 *
 * What kind of file a module is, before the system's loader is asked: its words for a foreign
 * machine are "No such file". */
#ifndef CORE_LOADER_ELF_H
#define CORE_LOADER_ELF_H

#include <stddef.h>

/* NULL when the file is a shared library for this machine (ELF specification, "ELF header"), else
 * what it is instead and what to do. The answer may lie in `words`. */
const char *elf_fault(const char *file, char *words, size_t words_size);

#endif
