/* SPDX-License-Identifier: Apache-2.0
 *
 * What every module must do, whatever it provides: a sane descriptor, a life cycle that leaves
 * nothing behind. The cases run with the module loaded and nothing created. */
#ifndef CONFORMANCE_LIFE_TOOL_H
#define CONFORMANCE_LIFE_TOOL_H

#include "case.h"
#include "subject.h"

extern const struct check_case descriptor_cases[], life_cases[];

#endif
