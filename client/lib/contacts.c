/* SPDX-License-Identifier: Apache-2.0 */
#include "contacts.h"

#include <stdlib.h>
#include <string.h>

#include "client.h"

static void contact_free(struct contact *contact)
{
    ubr_chain_fini(&contact->chain);
    free(contact->records);
    free(contact);
}

void contacts_fini(struct contacts *contacts)
{
    for (size_t i = 0; i < contacts->count; i++) {
        contact_free(contacts->items[i]);
    }
    free(contacts->items);
    memset(contacts, 0, sizeof(*contacts));
}

static struct contact *contact_new(struct contacts *contacts, const uint8_t account_pk[UBR_KEY_LEN])
{
    struct contact **more =
        reallocarray(contacts->items, contacts->count + 1, sizeof(*contacts->items));
    struct contact *contact = more != NULL ? calloc(1, sizeof(*contact)) : NULL;
    if (more != NULL) {
        contacts->items = more;
    }
    if (contact != NULL) {
        ubr_chain_init(&contact->chain, account_pk);
        ubr_fingerprint_text(account_pk, contact->id);
        contacts->items[contacts->count++] = contact;
    }
    return contact;
}

static struct contact *loaded(const struct contacts *contacts,
                              const uint8_t account_pk[UBR_KEY_LEN])
{
    for (size_t i = 0; i < contacts->count; i++) {
        if (memcmp(contacts->items[i]->chain.account_pk, account_pk, UBR_KEY_LEN) == 0) {
            return contacts->items[i];
        }
    }
    return NULL;
}

static enum ubr_error take_record(struct contact *contact, const struct wire_record *record)
{
    struct wire_record *more =
        reallocarray(contact->records, contact->chain.records_len + 1, sizeof(*more));
    if (more == NULL) {
        return UBR_E_MEMORY;
    }
    contact->records = more;
    const struct ubr_device_record view = wire_record_view(record);
    enum ubr_error fault = ubr_chain_append(&contact->chain, &view);
    if (fault == UBR_OK) {
        contact->records[contact->chain.records_len - 1] = *record;
    }
    return fault;
}

/* Takes records 0, 1, … : those that are pinned must be the same, further ones extend the chain. */
static enum ubr_error take_records(struct contact *contact, const json_t *items)
{
    for (size_t i = 0; i < json_array_size(items); i++) {
        struct wire_record record;
        if (!wire_get_record(json_array_get(items, i), &record)) {
            return UBR_E_PARSE;
        }
        uint8_t hash[UBR_HASH_LEN];
        ubr_device_hash(ubr_bytes_of(record.body, sizeof(record.body)), hash);
        if (i < contact->chain.records_len) {
            if (memcmp(contact->chain.hashes[i], hash, UBR_HASH_LEN) != 0) {
                return UBR_E_DEVICE_FORK;
            }
            continue;
        }
        enum ubr_error fault = take_record(contact, &record);
        if (fault != UBR_OK) {
            return fault;
        }
    }
    return UBR_OK;
}

static void document_name(const char id[33], char name_out[64])
{
    snprintf(name_out, 64, "chains/%s.json", id);
}

static void load(struct unibus_client *client, struct contact *contact)
{
    char name[64];
    json_t *doc;
    struct unibus_err err = UNIBUS_ERR_INIT;
    document_name(contact->id, name);
    if (unibus_home_read(client->home, name, &doc, &err) != UNIBUS_OK) {
        return;
    }
    if (take_records(contact, json_object_get(doc, "records")) != UBR_OK) {
        unibus_client_notice(client, "%s in the home is damaged; what is good of it is used", name);
    }
    json_decref(doc);
}

static enum unibus_status save(struct unibus_client *client, const struct contact *contact,
                               struct unibus_err *err)
{
    char name[64];
    document_name(contact->id, name);
    json_t *doc = json_object(), *records = json_array();
    for (size_t i = 0; i < contact->chain.records_len; i++) {
        json_array_append_new(records, wire_record_json(&contact->records[i]));
    }
    json_object_set_new(doc, "records", records);
    enum unibus_status status = unibus_home_write(client->home, name, doc, err);
    json_decref(doc);
    return status;
}

static struct contact *open_contact(struct unibus_client *client,
                                    const uint8_t account_pk[UBR_KEY_LEN])
{
    struct contact *contact = loaded(&client->contacts, account_pk);
    if (contact == NULL) {
        contact = contact_new(&client->contacts, account_pk);
        if (contact != NULL) {
            load(client, contact);
        }
    }
    return contact;
}

const struct contact *contacts_find(struct unibus_client *client,
                                    const uint8_t account_pk[UBR_KEY_LEN])
{
    const struct contact *contact = open_contact(client, account_pk);
    return contact != NULL && contact->chain.records_len > 0 ? contact : NULL;
}

enum unibus_status contacts_fetch(struct unibus_client *client,
                                  const uint8_t account_pk[UBR_KEY_LEN],
                                  const struct contact **contact_out, struct unibus_err *err)
{
    struct contact *contact = open_contact(client, account_pk);
    if (contact == NULL) {
        return unibus_fail(err, UNIBUS_FAILED, "no memory");
    }
    char path[96];
    json_t *json;
    snprintf(path, sizeof(path), "/v1/identities/%s/devices", contact->id);
    enum unibus_status status = unibus_client_get(client, path, NULL, &json, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    size_t before = contact->chain.records_len;
    enum ubr_error fault = take_records(contact, json_object_get(json, "items"));
    json_decref(json);
    if (fault != UBR_OK) {
        return unibus_fail_ubr(err, UNIBUS_UNVERIFIED, (int)fault, "device records of %s",
                               contact->id);
    }
    *contact_out = contact;
    return contact->chain.records_len > before ? save(client, contact, err) : UNIBUS_OK;
}

enum unibus_status contacts_need(struct unibus_client *client,
                                 const uint8_t account_pk[UBR_KEY_LEN],
                                 const uint8_t hash[UBR_HASH_LEN], struct unibus_err *err)
{
    const struct contact *contact = open_contact(client, account_pk);
    if (contact != NULL && ubr_chain_contains(&contact->chain, hash)) {
        return UNIBUS_OK;
    }
    enum unibus_status status = contacts_fetch(client, account_pk, &contact, err);
    return status == UNIBUS_NOT_FOUND ? UNIBUS_OK : status;
}

static bool find_record(void *context, const uint8_t account_pk[UBR_KEY_LEN],
                        const uint8_t hash[UBR_HASH_LEN], struct ubr_device_record *record_out)
{
    const struct contact *contact = open_contact(context, account_pk);
    for (size_t i = 0; contact != NULL && i < contact->chain.records_len; i++) {
        if (memcmp(contact->chain.hashes[i], hash, UBR_HASH_LEN) == 0) {
            *record_out = wire_record_view(&contact->records[i]);
            return true;
        }
    }
    return false;
}

struct ubr_record_store contacts_store(struct unibus_client *client)
{
    return (struct ubr_record_store){find_record, client};
}
