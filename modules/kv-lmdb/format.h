/* SPDX-License-Identifier: Apache-2.0
 *
 * What makes an LMDB file a store of ours: its version, the store's secret for checksums, and the
 * number of its buckets. */
#ifndef KVLM_FORMAT_H
#define KVLM_FORMAT_H

#include <unibus/abi.h>

#define KVLM_FORMAT_VERSION 1

struct kvlm;

/* Makes the first entries of an empty store or reads what is there. UB_EUNSUPPORTED with both
 * versions when a newer program made it, UB_EINVAL when it is no store of ours. */
enum ub_status kvlm_format_ready(struct kvlm *store, bool is_new, struct ub_err *err);

#endif
