/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_ERROR_H
#define UBR_ERROR_H

/* The error codes of UBR1, section 15: one table, from which the enum, the names and the meanings
 * are made. Order of checks and meaning in context: sections 4.6, 5.5, 9.4, 10 and 11. */

/* X(constant, name, meaning) */
#define UBR_ERROR_TABLE(X)                                                                         \
    X(UBR_E_PARSE, "E-PARSE", "wrong form, length or text, or trailing bytes")                     \
    X(UBR_E_VERSION, "E-VERSION", "unknown version")                                               \
    X(UBR_E_FLAG, "E-FLAG", "unknown flag")                                                        \
    X(UBR_E_RANGE, "E-RANGE", "value out of range")                                                \
    X(UBR_E_LIMIT, "E-LIMIT", "a limit of the protocol is exceeded")                               \
    X(UBR_E_UPGRADE, "E-UPGRADE", "needs a newer version of this program")                         \
    X(UBR_E_SIG, "E-SIG", "signature does not verify")                                             \
    X(UBR_E_POP, "E-POP", "no proof that the device holds its keys")                               \
    X(UBR_E_KEY_WEAK, "E-KEY-WEAK", "not a valid public key")                                      \
    X(UBR_E_KEY_REUSE, "E-KEY-REUSE", "the NATS key repeats the signing or account key")           \
    X(UBR_E_KID_UNKNOWN, "E-KID-UNKNOWN", "no such device in the account's chain")                 \
    X(UBR_E_KID_CLAIMED, "E-KID-CLAIMED", "the device key belongs to another account")             \
    X(UBR_E_DEVICE_REVOKED, "E-DEVICE-REVOKED", "the device is revoked")                           \
    X(UBR_E_DEVICE_CHAIN, "E-DEVICE-CHAIN", "device record does not continue its chain")           \
    X(UBR_E_DEVICE_FORK, "E-DEVICE-FORK", "two different device chains for one account")           \
    X(UBR_E_SEQ, "E-SEQ", "entry is not the next one")                                             \
    X(UBR_E_PREV, "E-PREV", "entry does not continue from the last one")                           \
    X(UBR_E_ROOM_ID, "E-ROOM-ID", "entry belongs to another room")                                 \
    X(UBR_E_ROLE, "E-ROLE", "the author's role does not allow this")                               \
    X(UBR_E_NOT_MEMBER, "E-NOT-MEMBER", "the account is not a member")                             \
    X(UBR_E_DUP_MEMBER, "E-DUP-MEMBER", "account or handle is a member already")                   \
    X(UBR_E_LAST_OWNER, "E-LAST-OWNER", "the room would have no owner")                            \
    X(UBR_E_CLOSED, "E-CLOSED", "the room is closed")                                              \
    X(UBR_E_POLICY, "E-POLICY", "policy value not allowed")                                        \
    X(UBR_E_EPOCH_NUMBER, "E-EPOCH-NUMBER", "epoch is not the next one")                           \
    X(UBR_E_MEMBERS_HASH, "E-MEMBERS-HASH", "epoch names other members than the log")              \
    X(UBR_E_RECIPIENTS_HASH, "E-RECIPIENTS-HASH", "epoch names other devices than the log")        \
    X(UBR_E_LINK, "E-LINK", "link to the old epoch missing or not allowed")                        \
    X(UBR_E_LINK_COMMIT, "E-LINK-COMMIT", "link does not give the old epoch's secret")             \
    X(UBR_E_ROLLBACK, "E-ROLLBACK", "log is shorter than seen before")                             \
    X(UBR_E_FORK, "E-FORK", "log differs from the one seen before or by others")                   \
    X(UBR_E_HEAD_UNPROVEN, "E-HEAD-UNPROVEN", "a member claims a log head that cannot be fetched") \
    X(UBR_E_LOG_BEHIND, "E-LOG-BEHIND", "the log at hand is older than the message")               \
    X(UBR_E_BOX_OPEN, "E-BOX-OPEN", "sealed box does not open")                                    \
    X(UBR_E_BOX_CONTEXT, "E-BOX-CONTEXT", "sealed box is for another room, epoch or device")       \
    X(UBR_E_BOX_COMMIT, "E-BOX-COMMIT", "sealed box holds another secret than the epoch's")        \
    X(UBR_E_BOX_MISSING, "E-BOX-MISSING", "not exactly one box for each recipient")                \
    X(UBR_E_BOX_HISTORY, "E-BOX-HISTORY", "the device is not entitled to this epoch")              \
    X(UBR_E_STALE, "E-STALE", "somebody was removed: a new epoch is needed before sending")        \
    X(UBR_E_MSG_OPEN, "E-MSG-OPEN", "message does not decrypt")                                    \
    X(UBR_E_MSG_EPOCH, "E-MSG-EPOCH", "message of an epoch without secret or not in force")        \
    X(UBR_E_MSG_UNSIGNED, "E-MSG-UNSIGNED", "unsigned message in a room that forbids it")          \
    X(UBR_E_MSG_SIG, "E-MSG-SIG", "signature of the message does not verify")                      \
    X(UBR_E_MSG_REPLAY, "E-MSG-REPLAY", "message seen before")                                     \
    X(UBR_E_MSG_LATE, "E-MSG-LATE", "message too late to be taken as live")                        \
    X(UBR_E_MSG_REROUTED, "E-MSG-REROUTED", "delivered on another subject than signed")            \
    X(UBR_E_EXT, "E-EXT", "extension unknown, malformed or missing")                               \
    X(UBR_E_KV_UNSIGNED_DELETE, "E-KV-UNSIGNED-DELETE", "deletion that no member signed")          \
    X(UBR_E_BLOB_HASH, "E-BLOB-HASH", "blob differs from its address")                             \
    X(UBR_E_BLOB_OPEN, "E-BLOB-OPEN", "blob does not decrypt")                                     \
    X(UBR_E_BLOB_TRUNCATED, "E-BLOB-TRUNCATED", "blob ends too early or too late")                 \
    X(UBR_E_BLOB_SIZE, "E-BLOB-SIZE", "blob has another size than announced")                      \
    X(UBR_E_KEYFILE_PARAMS, "E-KEYFILE-PARAMS", "key file parameters out of bounds")               \
    X(UBR_E_KEYFILE_OPEN, "E-KEYFILE-OPEN", "wrong passphrase, or damaged key file")               \
    X(UBR_E_BACKUP_OLD, "E-BACKUP-OLD", "back-up is older than one seen before")                   \
    X(UBR_E_BACKUP_OPEN, "E-BACKUP-OPEN", "back-up does not decrypt with this key")                \
    X(UBR_E_RECOVERY_KEY, "E-RECOVERY-KEY", "not a valid recovery key")                            \
    X(UBR_E_INVITE, "E-INVITE", "not a valid invite, or it names another room")                    \
    X(UBR_E_MEMORY, "E-MEMORY", "out of memory (local, never on the wire)")

enum ubr_error {
    UBR_OK = 0,
#define UBR_ERROR_CONSTANT(constant, name, meaning) constant,
    UBR_ERROR_TABLE(UBR_ERROR_CONSTANT)
#undef UBR_ERROR_CONSTANT
        UBR_ERROR_COUNT
};

/* Name as on the wire, such as "E-PARSE"; "OK" for UBR_OK, "E-?" for no code. Static text. */
const char *ubr_error_name(enum ubr_error code);

/* One-line meaning for people, without final stop. Static text. */
const char *ubr_error_meaning(enum ubr_error code);

/* The code with this name; UBR_ERROR_COUNT if there is none. */
enum ubr_error ubr_error_from_name(const char *name);

#endif
