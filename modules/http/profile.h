/* SPDX-License-Identifier: Apache-2.0
 *
 * Does a request keep to the profile of signed requests, as a whole: which headers are there, how
 * often, and which of them are covered. */
#ifndef HTTP_PROFILE_H
#define HTTP_PROFILE_H

#include "head.h"
#include "signature.h"

enum http_profile {
    HTTP_UNSIGNED, /* neither field is there */
    HTTP_SIGNED,   /* and the profile is kept */
    HTTP_REFUSED   /* why_out says what is wrong */
};

/* head is sealed. *out borrows from it. why_out: HTTP_WHY_MAX bytes. */
enum http_profile http_profile_check(const struct http_head *head, struct http_signature *out,
                                     char *why_out);

/* The signature base (RFC 9421, section 2.5), rebuilt from the raw bytes of the head; NULL = no
 * memory, or a covered value that is not printable ASCII (base.c). Freed with free. */
char *http_base_new(const struct http_head *head, const struct http_signature *signature);

/* The value of a component's header; NULL when it is not there. */
const char *http_component_value(const struct http_head *head, enum http_component component);

#endif
